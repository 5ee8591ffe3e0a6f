/** cb-logs ID: prints the output of one of the user's builds, also after its image is gone. */
import { openBuild, resolveBuildId } from "../lib/cli/build/existing-build.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { BuildReport } from "../lib/cli/report/build-report.ts";
import { eventWriter } from "../lib/cli/report/progress-event.ts";
import { Session } from "../lib/cli/session.ts";
import { errorCursor, isDumbTerminal, printText, writeOutput } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { followBuild } from "../lib/cli/watch/follow.ts";
import { outageNotice } from "../lib/cli/watch/outage-notice.ts";
import { EXIT_CODES } from "../lib/core/exit-codes.ts";

const command = () =>
  createCommand({
    name: "cb-logs",
    summary:
      "Print the output of one of your builds. It is kept longer than the image; cb-builds lists the builds that have it.",
    examples: {
      "cb-logs 60c95481": "print the output so far",
      "cb-logs -f 60c95481": "print it until the build ends",
      "cb-logs --json 60c95481": "the output and the states as events",
    },
    variables: CLIENT_VARIABLES,
    failures: ["cancelled", ...CONNECTED_FAILURES],
  })
    .argument("<id>", "id of the build, as shown by cb-builds; the first characters are enough")
    .option("-f, --follow", "go on until the build ends")
    .option("--json", "print events, one a line: the output in base64, and the states");

interface Options {
  readonly follow?: boolean;
  readonly json?: boolean;
}

await main("cb-logs", async (argv) => {
  const { options, args } = parse<Options & Record<string, unknown>>(command(), argv);
  const interrupted = interruptSignal();
  const steps = new Steps(process.stderr, { cursor: errorCursor(), plain: isDumbTerminal() });
  // The steps of the connection are no news here.
  const quiet = new Steps({ write: () => undefined });
  const session = await Session.open("cb-logs", quiet);
  try {
    const build = await resolveBuildId(session, args[0] ?? "");
    const { nc } = await openBuild({ session, steps: quiet, interrupted }, build);
    const report = new BuildReport(options.json ? eventWriter(printText) : undefined);
    const untilNow = !options.follow;
    const following = { build, fromNow: false, untilNow, signal: interrupted, onWaiting: outageNotice(steps) };
    try {
      for await (const event of followBuild(nc, following)) {
        if (event.kind === "log") {
          report.output(event.bytes);
          if (!options.json) await writeOutput(event.bytes);
          continue;
        }
        const { state } = event;
        report.changed(state, event.atMs);
        if (!options.json && state.state === "leased" && state.attempt > 1)
          steps.print(`Attempt ${state.attempt}: ${state.lost ?? "the builder was lost"}`);
      }
    } finally {
      await nc.close();
    }
  } finally {
    steps.close();
    await session.close();
  }
  return interrupted.aborted ? EXIT_CODES.cancelled : 0;
});
