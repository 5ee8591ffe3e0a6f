/** cb-cancel ID...: cancels builds of the user, no matter which terminal started them. */
import { resolveBuildId } from "../lib/cli/build/existing-build.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { isDumbTerminal, printText } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { cancel } from "../lib/protocol/requests.ts";

const command = () =>
  createCommand({
    name: "cb-cancel",
    summary: "Cancel your builds.",
    examples: { "cb-cancel 60c95481": "cancel one build", "cb-cancel 60c9 77ab": "cancel two builds" },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  })
    .argument("<id...>", "ids of builds, as shown by cb-builds; the first characters are enough")
    .option("--json", "print one line of JSON for each build");

await main("cb-cancel", async (argv) => {
  const { args, options } = parse<{ json?: boolean }>(command(), argv);
  const steps = new Steps(process.stderr, { plain: isDumbTerminal() });
  const session = await Session.open("cb-cancel", steps);
  try {
    for (const text of args) {
      const id = await resolveBuildId(session, text);
      const { state } = await session.request(cancel, { v: 1, target: { kind: "build", id } });
      const result = state === "cancelled" ? "cancelled" : `not cancelled, it had already ended: ${state}`;
      printText(options.json ? `${JSON.stringify({ v: 1, build: id, state })}\n` : `Build ${id}: ${result}\n`);
    }
  } finally {
    await session.close();
  }
  return 0;
});
