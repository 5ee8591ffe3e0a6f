/** cb-attach ID [IMAGE]: watches a running or ended build of the user, and fetches its image. */
import { basename } from "node:path";
import { openBuild, resolveBuildId } from "../lib/cli/build/existing-build.ts";
import {
  addProgressOptions,
  type ProgressOptions,
  STANDARD_OUTPUT,
  viewOptions,
} from "../lib/cli/build/output-options.ts";
import { checkImagePath } from "../lib/cli/build/preflight.ts";
import { openReused } from "../lib/cli/build/reused-image.ts";
import { addForceOption } from "../lib/cli/force-option.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { type ProgressView, progressView, runReported } from "../lib/cli/report/progress-view.ts";
import { Session } from "../lib/cli/session.ts";
import { duration } from "../lib/cli/text/progress.ts";
import { REQUESTING } from "../lib/cli/watch/build-steps.ts";
import { watchBuild } from "../lib/cli/watch/watch-build.ts";
import { CbError } from "../lib/core/errors.ts";
import type { OldFile } from "../lib/transfer/delta/old-file.ts";

interface Options extends ProgressOptions {
  readonly force?: boolean;
  readonly fromNow?: boolean;
  readonly debug?: boolean;
}

const command = () => addProgressOptions(addForceOption(attachCommand(), "replace the image if it exists"));

const attachCommand = () =>
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
    .argument(
      "[image]",
      "path of the image, or - for standard output (default: the name given at the start, in the working directory)",
    )
    .option("--from-now", "skip the output that the build has printed so far");

await main("cb-attach", async (argv) => {
  const { options, args } = parse<Options & Record<string, unknown>>(command(), argv);
  const [text = "", image] = args;
  const chosen = viewOptions(options, image ?? "");
  const view = progressView(chosen);
  return runReported(view, chosen, () => watchAgain({ options, text, image, view }));
});

interface Call {
  readonly options: Options;
  /** The id of the build or its begin. */
  readonly text: string;
  readonly image: string | undefined;
  readonly view: ProgressView;
}

async function watchAgain({ options, text, image, view }: Call): Promise<void> {
  const { steps, report, write } = view;
  const interrupted = interruptSignal();
  const session = await Session.open("cb-attach", steps, view.warn);
  try {
    const build = await resolveBuildId(session, text);
    const { nc, name, leftMs } = await openBuild({ session, steps, interrupted }, build);
    report.reserved(build);
    let old: OldFile | undefined;
    try {
      const force = options.force ?? false;
      const imagePath = image === STANDARD_OUTPUT ? image : await checkImagePath(image ?? localName(name), force);
      const fromNow = options.fromNow ?? false;
      if (options.debug && leftMs !== undefined) steps.print(`Time left: ${duration(leftMs)}`);
      old = await openReused(options.reuse, { steps, imagePath });
      const watcher = { session, steps, report, imagePath, force, old, write, interrupted, timeLeft: undefined };
      // The states are shown from the first, which is about this step.
      steps.begin(REQUESTING);
      await watchBuild(watcher, { nc, build, fromNow });
    } finally {
      await old?.close();
      await nc.close();
    }
  } catch (error) {
    if (!interrupted.aborted) throw error;
    report.detach();
    throw new CbError("cancelled", "detached; the build goes on", {
      hint: "cb-attach watches it again, cb-cancel ends it",
    });
  } finally {
    steps.close();
    await session.close();
  }
}

/** The queue stores the name as a client sent it, so only its last part is used: the image is stored in the working directory. */
function localName(name: string): string {
  const local = basename(name);
  if (local !== "" && local !== "." && local !== "..") return local;
  throw new CbError("usage", "the build has no name for its image", { hint: "give a path: cb-attach ID IMAGE" });
}
