/** cb-status: shows the leased builders and the reserve. */
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { storeRenewed } from "../lib/cli/renewed-credential.ts";
import { Session } from "../lib/cli/session.ts";
import { isDumbTerminal, printText, standardOutput } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { statusTable } from "../lib/cli/text/status-table.ts";
import { statusText } from "../lib/cli/text/status-text.ts";
import { watchLive } from "../lib/cli/watch/live-view.ts";
import { builds, status } from "../lib/protocol/requests.ts";

const command = () =>
  createCommand({
    name: "cb-status",
    summary: "Show the builders: those that run builds, and those in reserve.",
    examples: {
      "cb-status": "builders with id and host",
      "cb-status --watch": "a table of the pools and of your builds, until Ctrl-C",
      "cb-status --json": "all details, for scripts",
    },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  })
    .option("-w, --watch", "show a table of the pools and of your builds every two seconds until Ctrl-C")
    .option("--json", "print the queue's whole reply as JSON; with --watch one line for each change");

await main("cb-status", async (argv) => {
  const { json = false, watch = false } = parse<{ json?: boolean; watch?: boolean }>(command(), argv).options;
  // The steps are part of the output that scripts parse. With --json, standard output has JSON only.
  const steps = new Steps(json || watch ? process.stderr : standardOutput, { plain: isDumbTerminal() });
  const session = await Session.open("cb-status", steps);
  if (watch) {
    await watchStatus(session, json).finally(() => session.close());
    return 0;
  }
  steps.print("[INFO] Requesting queue status");
  const { renewedCredential, ...reply } = await session.request(status, { v: 1, credential: session.credential.jwt });
  await storeRenewed(session, renewedCredential, (line) => process.stderr.write(`cb-status: ${line}\n`));
  printText(json ? `${JSON.stringify(reply, null, 2)}\n` : `${statusText(reply)}\n`);
  // Scripts parse standard output.
  if (!json) for (const warning of reply.warnings) process.stderr.write(`cb-status: warning: ${warning}\n`);
  await session.close();
  return 0;
});

function watchStatus(session: Session, json: boolean): Promise<void> {
  const load = async () => {
    const [pools, own] = await Promise.all([session.request(status, { v: 1 }), session.request(builds, { v: 1 })]);
    return { status: pools, builds: own };
  };
  return watchLive({ load, text: statusTable, json });
}
