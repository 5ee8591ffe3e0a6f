/** cb-cancel ID: ends a build of one's own, whichever terminal began it. */
import { Command } from "commander";
import { buildNamed } from "../lib/cli/build/build-id.ts";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { cancel } from "../lib/protocol/requests.ts";

await main("cb-cancel", async (argv) => {
  const command = new Command("cb-cancel")
    .description("Cancel builds of yours.")
    .argument("<id...>", "as cb-builds shows it; the first characters are enough")
    .option("--debug", "say more when something fails");
  const { args } = parse(command, argv);
  const steps = new Steps(process.stderr);
  const session = await Session.open("cb-cancel", {}, steps);
  try {
    for (const name of args) {
      const id = await buildNamed(session, name);
      const { state } = await session.ask(cancel, { v: 1, target: { kind: "build", id } });
      process.stdout.write(
        state === "cancelled" ? `Build ${id}: cancelled\n` : `Build ${id}: it had ${state} before\n`,
      );
    }
  } finally {
    await session.close();
  }
  return 0;
});
