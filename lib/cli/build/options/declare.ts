/** Declares the options of option-list.ts in a command. */
import { type Command, Option } from "commander";
import { CbError } from "../../../core/errors.ts";
import type { Compression } from "../../../protocol/build-options.ts";
import { archName } from "../../arch-name.ts";
import { BUILD_OPTIONS, type BuildOption, flagOf } from "./option-list.ts";

/** The values of the options, by commander's names. */
export interface BuildOptionValues {
  readonly force?: boolean;
  readonly file?: string;
  readonly context?: string;
  readonly transferContext?: boolean;
  readonly transfer_context?: boolean;
  readonly buildArg?: readonly string[];
  readonly buildArgFile?: string;
  readonly warnUnusedBuildArgs?: boolean;
  readonly notest?: boolean;
  readonly writableTmpfs?: boolean;
  readonly bind?: readonly string[];
  readonly mount?: readonly string[];
  readonly library?: string;
  readonly nv?: boolean;
  readonly rocm?: boolean;
  readonly target?: string;
  readonly label?: readonly string[];
  readonly arch?: string;
  readonly archVariant?: string;
  readonly platform?: string;
  readonly mksquashfsArgs?: string;
  readonly compression?: Compression;
  readonly secret?: readonly string[];
  readonly authfile?: string;
  readonly dockerUsername?: string;
  readonly dockerPassword?: string;
  readonly dockerLogin?: boolean;
  readonly rebuild?: boolean;
  readonly reuseBuild?: boolean;
  /** False after --no-cache. */
  readonly cache?: boolean;
  readonly pull?: boolean;
}

/**
 * Adds the options to the command. While it parses, it calls `onAccepted` with the flag of each option that is not needed. A refused
 * option ends the parsing with CbError "usage", even if arguments are missing: the user's habit explains both.
 */
export function addBuildOptions(command: Command, onAccepted: (flag: string) => void): Command {
  for (const option of BUILD_OPTIONS) {
    const flag = flagOf(option);
    const declared = new Option(option.flags, option.text);
    if (option.treatment !== "shown") declared.hideHelp();
    if (option.group !== undefined) declared.helpGroup(option.group);
    if (option.choices !== undefined) declared.choices(option.choices);
    if (option.repeatable) declared.argParser((value: string, before: string[] = []) => [...before, value]);
    if (flag === "--arch") declared.argParser((value) => archName(value));
    command.addOption(declared);
    command.on(`option:${declared.name()}`, () => {
      if (option.treatment === "accepted") onAccepted(flag);
      if (option.treatment === "refused") throw refusal(option, flag);
    });
  }
  return command.addOption(new Option("--transfer_context", "spelling of the original container-builder").hideHelp());
}

/** `given`: the option or the variable as the user wrote it. */
export function refusal({ text, flags }: BuildOption, given: string): CbError {
  const problem =
    flags === "-f" ? "-f is ambiguous: apptainer's is --fakeroot, docker's is --file" : `${given} is not possible here`;
  return new CbError("usage", problem, { hint: text });
}

/** One note for all options that are not needed. Undefined if there are none. */
export function acceptedNote(flags: readonly string[]): string | undefined {
  const given = [...new Set(flags)];
  if (given.length === 0) return undefined;
  const reasons = BUILD_OPTIONS.filter((option) => given.includes(flagOf(option))).map(({ text }) => text);
  return `${given.join(", ")}: not needed, because ${[...new Set(reasons)].join(", and ")}`;
}
