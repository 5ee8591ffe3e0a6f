/** `-F, --force`, as apptainer has it. `-f` is refused: in apptainer and docker it means something else, so a habit could replace a file. */
import { type Command, Option } from "commander";
import { CbError } from "../core/errors.ts";

/** `effect`: the line of the help. The value is `force`. */
export function addForceOption<One extends Command>(command: One, effect: string): One {
  command.option("-F, --force", effect).addOption(new Option("-f").hideHelp());
  command.on("option:f", () => {
    throw new CbError("usage", "-f is not an option here", { hint: `write -F or --force (${effect})` });
  });
  return command;
}
