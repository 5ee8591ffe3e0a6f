/** cb-builds: one's own builds, those that run and those that have ended. */
import { Command } from "commander";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { buildsText } from "../lib/cli/text/builds-text.ts";
import { builds } from "../lib/protocol/requests.ts";

await main("cb-builds", async (argv) => {
  const command = new Command("cb-builds")
    .description("List your builds: state, age, size, and how long the image is kept.")
    .option("--json", "everything the queue tells, as JSON")
    .option("--debug", "say more when something fails");
  const { json } = parse<{ json?: boolean }>(command, argv).options;
  const session = await Session.open("cb-builds", {}, new Steps(process.stderr));
  const reply = await session.ask(builds, { v: 1 });
  process.stdout.write(json ? `${JSON.stringify(reply, null, 2)}\n` : buildsText(reply));
  await session.close();
  return 0;
});
