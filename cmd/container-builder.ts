/** container-builder IMAGE RECIPE: builds the recipe as root somewhere else, and brings the image here. */
import { Command, Option } from "commander";
import { archName } from "../lib/cli/arch-name.ts";
import { buildFlow } from "../lib/cli/build/build-flow.ts";
import { checkImagePath, readRecipe } from "../lib/cli/build/preflight.ts";
import { readContext } from "../lib/cli/build/read-context.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { TimeLeft } from "../lib/cli/watch/time-left.ts";
import { writeOutput } from "../lib/cli/watch/write-output.ts";
import { CbError } from "../lib/core/errors.ts";
import { VERSION } from "../lib/core/version.ts";
import type { Backend, ReserveRequest } from "../lib/protocol/build-messages.ts";
import { withCallerEnvironment } from "../lib/recipe/caller-environment.ts";
import { recipeNotes } from "../lib/recipe/notes.ts";

interface Options {
  readonly force?: boolean;
  readonly debug?: boolean;
  /** Undefined: as standard output is. */
  readonly tty?: boolean;
  readonly backend?: Backend;
  readonly arch?: string;
  readonly pool?: string;
  readonly context?: string;
  readonly transferContext?: boolean;
  readonly transfer_context?: boolean;
  readonly buildArg?: Readonly<Record<string, string>>;
}

const command = () =>
  new Command("container-builder")
    .description("Build an Apptainer image from a recipe, as root, on a builder of its own.")
    .version(VERSION)
    .argument("<image>", "where the image goes, e.g. container.sif")
    .argument("<recipe>", "the definition file")
    .option("-f, --force", "replace the image if it exists")
    .option("-d, --debug", "say more: why something fails, and how long the build may still run")
    .option("--tty", "give the build a terminal (default: if standard output is one)")
    .option("--no-tty", "give the build none: no colours, no progress bars")
    .option("--context <directory>", "where the recipe's paths start (default: the working directory)")
    .option("--transfer-context", "send that whole directory, less what .cbignore or .dockerignore names")
    .addOption(new Option("--transfer_context", "the same, as the original has it").hideHelp())
    .option("--build-arg <name=value>", "value of an ARG, or of {{ name }} in a definition file; repeatable", buildArg)
    .option("--arch <name>", "what the image is to run on, e.g. x86_64 (default: what the queue builds for)", archName)
    .option("--pool <name>", "the builders to use (default: the queue's first that build for it)")
    .addOption(
      new Option("--backend <name>", "what the recipe is for (default: recognised from it)").choices([
        "singularity",
        "docker",
      ]),
    );

await main("container-builder", async (argv) => {
  const { options, args } = parse<Options>(command(), argv);
  const [imageName = "", recipePath = ""] = args;
  const imagePath = await checkImagePath(imageName, options.force ?? false, recipePath);
  const asWritten = await readRecipe(recipePath, options.backend, options.buildArg);
  const recipe = withCallerEnvironment(asWritten, process.env);
  const interrupted = interruptSignal();
  const context = await readContext({
    recipe,
    directory: options.context,
    whole: options.transferContext ?? options.transfer_context ?? false,
    imagePath,
    signal: interrupted,
  });
  const steps = new Steps(process.stderr);
  for (const note of [...recipeNotes(recipe), ...(context?.notes ?? [])]) steps.line(`note: ${note}`);
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", {}, steps);
    const force = options.force ?? false;
    const terminal = terminalSize(options.tty ?? process.stdout.isTTY ?? false);
    const { arch, pool } = options;
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
    steps.end();
    await session?.close();
  }
  return 0;
});

/** Commander hands over what came before. Throws CbError "usage" on what has no name. */
function buildArg(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name = "", value = ""] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text) ?? [];
  if (name === "") throw new CbError("usage", `--build-arg ${text} is not NAME=VALUE`);
  return { ...before, [name]: value };
}

/** 80 by 24 when a terminal is asked for and there is none to measure. */
function terminalSize(wanted: boolean): ReserveRequest["terminal"] {
  if (!wanted) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
