/** container-builder IMAGE RECIPE: builds the recipe as root somewhere else, and brings the image here. */
import { once } from "node:events";
import { Command, Option } from "commander";
import type { Backend, ReserveRequest } from "../lib/bus/build-messages.ts";
import { buildFlow } from "../lib/client/build-flow.ts";
import { interruptSignal } from "../lib/client/interrupt.ts";
import { checkImagePath, readRecipe } from "../lib/client/preflight.ts";
import { Session } from "../lib/client/session.ts";
import { Steps } from "../lib/client/terminal.ts";
import { main } from "../lib/program/main.ts";
import { parse } from "../lib/program/parse.ts";
import { VERSION } from "../lib/version.ts";

interface Options {
  readonly force?: boolean;
  readonly debug?: boolean;
  /** Undefined: as standard output is. */
  readonly tty?: boolean;
  readonly backend?: Backend;
}

const command = () =>
  new Command("container-builder")
    .description("Build an Apptainer image from a recipe, as root, on a builder of its own.")
    .version(VERSION)
    .argument("<image>", "where the image goes, e.g. container.sif")
    .argument("<recipe>", "the definition file")
    .option("-f, --force", "replace the image if it exists")
    .option("-d, --debug", "say more when something fails")
    .option("--tty", "give the build a terminal (default: if standard output is one)")
    .option("--no-tty", "give the build none: no colours, no progress bars")
    .addOption(
      new Option("--backend <name>", "what the recipe is for (default: recognised from it)").choices([
        "singularity",
        "docker",
      ]),
    );

await main("container-builder", async (argv) => {
  const { options, args } = parse<Options>(command(), argv);
  const [imageName = "", recipePath = ""] = args;
  const imagePath = await checkImagePath(imageName, recipePath, options.force ?? false);
  const recipe = await readRecipe(recipePath, options.backend);
  const interrupted = interruptSignal();
  const steps = new Steps(process.stderr);
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", {}, steps);
    const force = options.force ?? false;
    const terminal = terminalSize(options.tty ?? process.stdout.isTTY ?? false);
    await buildFlow({ session, steps, recipe, imagePath, force, terminal, write, interrupted });
  } finally {
    steps.end();
    await session?.close();
  }
  return 0;
});

/** 80 by 24 when a terminal is asked for and there is none to measure. */
function terminalSize(wanted: boolean): ReserveRequest["terminal"] {
  if (!wanted) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

let readerGone = false;
process.stdout.on("error", () => {
  // Whoever read the output has left, as `| head` does, or its disk is full: the image is still wanted.
  readerGone = true;
});

/** A slow reader slows the build, and nothing piles up here. */
async function write(bytes: Uint8Array): Promise<void> {
  if (readerGone || process.stdout.write(bytes)) return;
  // Rejects, and tidies up, when the stream fails; the handler above knows what that means.
  await once(process.stdout, "drain").catch(() => undefined);
}
