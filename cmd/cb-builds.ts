/** cb-builds: lists the user's builds, running and ended. */
import { InvalidArgumentError, Option } from "commander";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { isDumbTerminal, printText } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { BUILD_STATES, buildsText, stateText } from "../lib/cli/text/builds-text.ts";
import { watchLive } from "../lib/cli/watch/live-view.ts";
import type { BuildsReply } from "../lib/protocol/builds-messages.ts";
import { builds } from "../lib/protocol/requests.ts";

interface Options {
  readonly watch?: boolean;
  readonly state?: readonly string[];
  readonly json?: boolean;
  readonly last?: number;
}

const command = () =>
  createCommand({
    name: "cb-builds",
    summary: "List your builds with state, age, size, how long each image is kept, and why a build waits or failed.",
    examples: {
      "cb-builds": "a table, the newest build first",
      "cb-builds --watch --state waiting running": "show the active builds until Ctrl-C",
      "cb-builds -n 1 --json": "all details of the last build, for scripts",
    },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  })
    .option("-w, --watch", "show the table again every two seconds until Ctrl-C")
    .addOption(new Option("--state <state...>", "only builds in these states").choices(BUILD_STATES))
    .option("-n, --last <count>", "only the newest builds", countOf)
    .option("--json", "print the queue's reply as JSON; with --watch one line for each change");

await main("cb-builds", async (argv) => {
  const { options } = parse<Options & Record<string, unknown>>(command(), argv);
  const { json = false, watch = false } = options;
  const session = await Session.open("cb-builds", new Steps(process.stderr, { plain: isDumbTerminal() }));
  const load = async () => selected(await session.request(builds, { v: 1 }), options);
  const text = (reply: BuildsReply, columns?: number) => buildsText(reply, columns, options.state);
  try {
    if (watch) await watchLive({ load, text, json });
    else {
      const reply = await load();
      printText(json ? `${JSON.stringify(reply, null, 2)}\n` : text(reply, process.stdout.columns));
    }
  } finally {
    await session.close();
  }
  return 0;
});

function selected(reply: BuildsReply, { state: states, last }: Options): BuildsReply {
  const matching = reply.builds.filter(({ state }) => states?.includes(stateText(state)) ?? true);
  return { ...reply, builds: matching.slice(0, last) };
}

/** Commander names the option in its message. */
function countOf(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 on.");
}
