/** cb-builds: lists the user's builds, running and ended. */
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { isDumbTerminal, printText } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { buildsText } from "../lib/cli/text/builds-text.ts";
import { builds } from "../lib/protocol/requests.ts";

const command = () =>
  createCommand({
    name: "cb-builds",
    summary: "List your builds with state, age, size, and how long each image is kept.",
    examples: { "cb-builds": "a table", "cb-builds --json": "all details, for scripts" },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  }).option("--json", "print the queue's whole reply as JSON");

await main("cb-builds", async (argv) => {
  const { json } = parse<{ json?: boolean }>(command(), argv).options;
  const session = await Session.open("cb-builds", {}, new Steps(process.stderr, { plain: isDumbTerminal() }));
  const reply = await session.request(builds, { v: 1 });
  printText(json ? `${JSON.stringify(reply, null, 2)}\n` : buildsText(reply, process.stdout.columns));
  await session.close();
  return 0;
});
