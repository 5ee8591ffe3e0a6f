/** The commands of container-builder that stand in the place of IMAGE: `config` and `doctor`. */
import { CbError } from "../core/errors.ts";

/** Throws CbError "usage" when the call has arguments: then an image of that name was meant. */
export function refuseArguments(command: string, args: readonly string[]): void {
  if (args.length === 0) return;
  throw new CbError("usage", `container-builder ${command} takes no argument`, {
    hint: `to build an image of this name write ./${command}`,
  });
}
