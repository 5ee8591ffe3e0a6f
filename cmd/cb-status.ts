/** cb-status: which builders are at work, and which wait. */
import { Command } from "commander";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { statusText } from "../lib/cli/text/status-text.ts";
import { status } from "../lib/protocol/requests.ts";

await main("cb-status", async (argv) => {
  const command = new Command("cb-status")
    .description("Show the builders: those at work, and those in reserve.")
    .option("--json", "everything the queue tells, as JSON")
    .option("--debug", "say more when something fails");
  const { json } = parse<{ json?: boolean }>(command, argv).options;
  // The steps belong to the output that scripts know; JSON is for programs, which want nothing else.
  const steps = new Steps(json ? process.stderr : process.stdout);
  const session = await Session.open("cb-status", {}, steps);
  steps.line("[INFO] Requesting queue status");
  const reply = await session.ask(status, { v: 1 });
  process.stdout.write(json ? `${JSON.stringify(reply, null, 2)}\n` : `${statusText(reply)}\n`);
  await session.close();
  return 0;
});
