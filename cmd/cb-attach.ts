/** cb-attach ID [IMAGE]: watches a build of one's own again, and brings its image. */
import { basename } from "node:path";
import { Command } from "commander";
import { openBuild } from "../lib/cli/build/attach-flow.ts";
import { buildNamed } from "../lib/cli/build/build-id.ts";
import { checkImagePath } from "../lib/cli/build/preflight.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { duration } from "../lib/cli/text/progress.ts";
import { watchBuild } from "../lib/cli/watch/watch-build.ts";
import { writeOutput } from "../lib/cli/watch/write-output.ts";
import { CbError } from "../lib/core/errors.ts";

interface Options {
  readonly force?: boolean;
  readonly fromNow?: boolean;
  readonly debug?: boolean;
}

const command = () =>
  new Command("cb-attach")
    .description("Watch a build of yours from another terminal, and fetch its image. Ctrl-C leaves; the build goes on.")
    .argument("<id>", "as cb-builds shows it; the first characters are enough")
    .argument("[image]", "where the image goes (default: the name it was to have, in the working directory)")
    .option("-f, --force", "replace the image if it exists")
    .option("--from-now", "leave out what the build has printed so far")
    .option("-d, --debug", "say more when something fails");

await main("cb-attach", async (argv) => {
  const { options, args } = parse<Options & Record<string, unknown>>(command(), argv);
  const [text = "", image] = args;
  const interrupted = interruptSignal();
  const steps = new Steps(process.stderr);
  const session = await Session.open("cb-attach", {}, steps);
  try {
    const build = await buildNamed(session, text);
    const { nc, name, leftMs } = await openBuild({ session, steps, interrupted }, build);
    try {
      const force = options.force ?? false;
      const imagePath = await checkImagePath(image ?? localName(name), force);
      const fromNow = options.fromNow ?? false;
      if (options.debug && leftMs !== undefined) steps.line(`Time left: ${duration(leftMs)}`);
      const watcher = { session, steps, imagePath, force, write: writeOutput, interrupted, timeLeft: undefined };
      await watchBuild(watcher, { nc, build, fromNow });
    } finally {
      await nc.close();
    }
    return 0;
  } catch (error) {
    if (!interrupted.aborted) throw error;
    throw new CbError("cancelled", "left; the build goes on", {
      hint: "cb-attach watches it again, cb-cancel ends it",
    });
  } finally {
    steps.end();
    await session.close();
  }
});

/** The name came back from the queue, which had it from a client: only a name in this directory is taken. */
function localName(name: string): string {
  const local = basename(name);
  if (local !== "" && local !== "." && local !== "..") return local;
  throw new CbError("usage", "the build has no name for its image", { hint: "name the file: cb-attach ID IMAGE" });
}
