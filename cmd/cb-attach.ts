/** cb-attach ID [IMAGE]: watches a running or ended build of the user, and fetches its image. */
import { basename } from "node:path";
import { openBuild, resolveBuildId } from "../lib/cli/build/existing-build.ts";
import { checkImagePath } from "../lib/cli/build/preflight.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { errorCursor, isDumbTerminal, writeOutput } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { duration } from "../lib/cli/text/progress.ts";
import { REQUESTING } from "../lib/cli/watch/build-steps.ts";
import { watchBuild } from "../lib/cli/watch/watch-build.ts";
import { CbError } from "../lib/core/errors.ts";

interface Options {
  readonly force?: boolean;
  readonly fromNow?: boolean;
  readonly debug?: boolean;
}

const command = () =>
  createCommand({
    name: "cb-attach",
    summary: "Watch one of your builds from another terminal, and fetch its image. After Ctrl-C the build goes on.",
    debug: "print an error with its causes, and how long the build may still run",
    examples: {
      "cb-attach 60c95481": "watch a build, store its image in the working directory",
      "cb-attach --from-now 60c95481 /tmp/a.sif": "skip earlier output, store the image there",
    },
    variables: CLIENT_VARIABLES,
    failures: ["recipe", "cancelled", ...CONNECTED_FAILURES],
  })
    .argument("<id>", "id of the build, as shown by cb-builds; the first characters are enough")
    .argument("[image]", "path of the image (default: the name given at the start, in the working directory)")
    .option("-f, --force", "replace the image if it exists")
    .option("--from-now", "skip the output that the build has printed so far");

await main("cb-attach", async (argv) => {
  const { options, args } = parse<Options & Record<string, unknown>>(command(), argv);
  const [text = "", image] = args;
  const interrupted = interruptSignal();
  const steps = new Steps(process.stderr, { cursor: errorCursor(), plain: isDumbTerminal() });
  const session = await Session.open("cb-attach", {}, steps);
  try {
    const build = await resolveBuildId(session, text);
    const { nc, name, leftMs } = await openBuild({ session, steps, interrupted }, build);
    try {
      const force = options.force ?? false;
      const imagePath = await checkImagePath(image ?? localName(name), force);
      const fromNow = options.fromNow ?? false;
      if (options.debug && leftMs !== undefined) steps.print(`Time left: ${duration(leftMs)}`);
      const watcher = { session, steps, imagePath, force, write: writeOutput, interrupted, timeLeft: undefined };
      // The states are shown from the first, which is about this step.
      steps.begin(REQUESTING);
      await watchBuild(watcher, { nc, build, fromNow });
    } finally {
      await nc.close();
    }
    return 0;
  } catch (error) {
    if (!interrupted.aborted) throw error;
    throw new CbError("cancelled", "detached; the build goes on", {
      hint: "cb-attach watches it again, cb-cancel ends it",
    });
  } finally {
    steps.close();
    await session.close();
  }
});

/** The queue stores the name as a client sent it, so only its last part is used: the image is stored in the working directory. */
function localName(name: string): string {
  const local = basename(name);
  if (local !== "" && local !== "." && local !== "..") return local;
  throw new CbError("usage", "the build has no name for its image", { hint: "give a path: cb-attach ID IMAGE" });
}
