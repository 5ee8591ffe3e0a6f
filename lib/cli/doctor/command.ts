/** `container-builder doctor`: prints the checks, and ends with the exit code of the first that failed. */
import type { Command } from "commander";
import { EXIT_CODES } from "../../core/exit-codes.ts";
import { absolute } from "../build/working-directory.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../program.ts";
import { refuseArguments } from "../refuse-arguments.ts";
import { printText } from "../standard-output.ts";
import { type Check, checkLine } from "./check.ts";

export const doctorCommand = (): Command =>
  createCommand({
    name: "container-builder doctor",
    summary:
      "Check what a build needs: settings, credential, the way to NATS, the queue, the clock, and the folder of the image. " +
      "Each line is ok, warn or FAIL, with the remedy.",
    examples: {
      "container-builder doctor": "check the working directory as the place of images",
      "container-builder doctor -o /scratch": "check another one",
    },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  })
    .allowExcessArguments(true)
    .option("-o, --output <directory>", "where images would be stored (default: the working directory)")
    .option("--json", "print the checks as JSON");

export async function runDoctor(argv: readonly string[]): Promise<number> {
  const { options, args } = parse<{ output?: string; json?: boolean }>(doctorCommand(), argv);
  refuseArguments("doctor", args);
  // Not for `container-builder --help`, which shows this command too.
  const [{ ownPlaces }, { examine }] = await Promise.all([
    import("../../config/client-config.ts"),
    import("./doctor.ts"),
  ]);
  const checks: Check[] = [];
  for await (const check of examine({ places: ownPlaces(), folder: absolute(options.output ?? ".") })) {
    checks.push(check);
    if (!options.json) printText(checkLine(check));
  }
  if (options.json) printText(`${JSON.stringify({ v: 1, checks }, null, 2)}\n`);
  const { kind } = checks.find(({ state }) => state === "fail") ?? {};
  return kind === undefined ? 0 : EXIT_CODES[kind];
}
