/** container-builder IMAGE RECIPE: builds the recipe as root on a remote builder, and stores the image here. */
import { Option } from "commander";
import { buildFlow } from "../lib/cli/build/build-flow.ts";
import { readInput } from "../lib/cli/build/build-input.ts";
import { dryRunText } from "../lib/cli/build/dry-run.ts";
import { acceptedNote, addBuildOptions, type BuildOptionValues } from "../lib/cli/build/options/declare.ts";
import { GROUPS } from "../lib/cli/build/options/option-list.ts";
import { architectureOf } from "../lib/cli/build/options/platform.ts";
import { argumentsFromVariables } from "../lib/cli/build/options/variables.ts";
import { checkImagePath } from "../lib/cli/build/preflight.ts";
import { readContext } from "../lib/cli/build/read-context.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { errorCursor, isDumbTerminal, printText, writeOutput } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { TimeLeft } from "../lib/cli/watch/build-steps.ts";
import type { Backend, ReserveRequest } from "../lib/protocol/build-messages.ts";
import { recipeNotes } from "../lib/recipe/notes.ts";

interface Options extends BuildOptionValues {
  readonly debug?: boolean;
  readonly dryRun?: boolean;
  /** Undefined: true if standard output is a terminal. */
  readonly tty?: boolean;
  readonly backend?: Backend;
  readonly pool?: string;
}

const command = () =>
  createCommand({
    name: "container-builder",
    summary: "Build an Apptainer image from a definition file or a Dockerfile, as root on a remote builder.",
    debug: "print an error with its causes, and how long the build may still run",
    examples: {
      "container-builder hello.sif hello.def": "build a definition file",
      "container-builder -F hello.sif Dockerfile": "build a Dockerfile, replace the image",
      "container-builder hello.sif .": "build the recipe in this folder",
      "container-builder hello.sif docker://debian:12": "build an image of a registry",
      "container-builder --build-arg VERSION=2 a.sif a.def": "set a build argument",
      "container-builder --arch aarch64 a.sif a.def": "build for another architecture",
    },
    variables: [...CLIENT_VARIABLES, "APPTAINER_*", "HOME"],
    failures: ["recipe", "cancelled", ...CONNECTED_FAILURES],
  })
    .argument("<image>", "path of the image, e.g. container.sif")
    .argument("[recipe]", "a definition file, a Dockerfile, a folder with one, - for standard input, or docker://NAME")
    .option("--tty", "run the build on a terminal (default: if standard output is a terminal)")
    .option("--no-tty", "run the build without a terminal: no colours, no progress bars")
    .option("--dry-run", "print what would be sent, and send nothing")
    .addOption(
      new Option("--backend <name>", "type of the recipe (default: detected)")
        .choices(["singularity", "docker"])
        .helpGroup(GROUPS.source),
    )
    .addOption(
      new Option("--pool <name>", "pool of builders (default: the queue's first of the architecture)").helpGroup(
        GROUPS.builder,
      ),
    );

await main("container-builder", async (argv) => {
  const accepted: string[] = [];
  const declared = addBuildOptions(command(), (flag) => accepted.push(flag));
  const { options, args } = parse<Options>(declared, [...argumentsFromVariables(process.env), ...argv]);
  const [imageName = "", named] = args;
  const force = options.force ?? false;
  const arch = architectureOf(options);
  const imagePath = await checkImagePath(imageName, force, options.file ?? named);
  const input = await readInput({ named, options, environment: process.env });
  // The recipe of a folder is known only now.
  await checkImagePath(imageName, force, input.path);
  const { recipe } = input;
  const interrupted = interruptSignal();
  const context = await readContext({
    recipe,
    directory: input.directory,
    whole: options.transferContext ?? options.transfer_context ?? false,
    imagePath,
    signal: interrupted,
  });
  const plain = isDumbTerminal() || options.tty === false;
  const steps = new Steps(process.stderr, { cursor: errorCursor(), plain });
  const notes = [acceptedNote(accepted) ?? [], input.notes, recipeNotes(recipe), context?.notes ?? []].flat();
  for (const note of notes) steps.print(`note: ${note}`);
  const { pool } = options;
  const terminal = terminalSize(options.tty ?? process.stdout.isTTY ?? false);
  if (options.dryRun) {
    steps.close();
    printText(dryRunText({ input, context, imagePath, arch, pool, terminal }));
    return 0;
  }
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", {}, steps);
    const window = terminal !== undefined && process.stdout.isTTY ? process.stdout : undefined;
    await buildFlow({
      session,
      steps,
      recipe,
      context,
      arch,
      pool,
      imagePath,
      force,
      terminal,
      window,
      write: writeOutput,
      timeLeft: options.debug ? new TimeLeft(steps) : undefined,
      interrupted,
    });
  } finally {
    steps.close();
    await session?.close();
  }
  return 0;
});

/** 80 by 24, as a VT100, for --tty without a terminal to measure. */
function terminalSize(enabled: boolean): ReserveRequest["terminal"] {
  if (!enabled) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
