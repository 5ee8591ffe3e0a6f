/** cb-admin: users, machines and the reconciler's plan, for the people who run an installation. */
import { Command } from "commander";
import { AdminSession } from "../lib/cli/admin/admin-session.ts";
import { buildersText } from "../lib/cli/admin/builders-text.ts";
import { planText } from "../lib/cli/admin/plan-text.ts";
import { refuseTerminal, writeSecret } from "../lib/cli/admin/secret-output.ts";
import { addUser, revokeUser } from "../lib/cli/admin/users.ts";
import { usersText } from "../lib/cli/admin/users-text.ts";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { CbError } from "../lib/core/errors.ts";
import { CONSOLE_LINES_MAX } from "../lib/protocol/admin-messages.ts";
import { assertId, assertUserName } from "../lib/protocol/ids.ts";
import { adminBuilders, adminDestroy, adminPlan, adminUsers } from "../lib/protocol/requests.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly force?: boolean;
  readonly console?: string;
}

interface Call {
  readonly options: Options;
  /** The one argument; empty where there is none. */
  readonly name: string;
}

interface Verb {
  readonly about: string;
  /** Adds arguments and options of its own. */
  readonly shape?: (command: Command) => Command;
  readonly run: (call: Call) => Promise<void>;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const show = (text: string): void => void process.stdout.write(text);
const named = (what: string) => (command: Command) => command.argument("<name>", what);
const withJson = (command: Command) => command.option("--json", "everything the queue tells, as JSON");

/** Prints a reply as text, or whole. */
const print = <Reply>(reply: Reply, { json }: Options, text: (reply: Reply) => string): void =>
  show(json ? `${JSON.stringify(reply, null, 2)}\n` : text(reply));

const VERBS: Readonly<Record<string, Verb>> = {
  "user add": {
    about: "add a user; its credential goes to standard output: cb-admin user add NAME > NAME.creds",
    shape: (command) =>
      named("1 to 64 of a-z, 0-9, _ and -")(command).option(
        "-f, --force",
        "if there is one of that name: revoke it, end its builds, and add it anew",
      ),
    run: async ({ options, name }) => {
      assertUserName(name);
      refuseTerminal(process.stdout.isTTY, `cb-admin user add ${name} > ${name}.creds`);
      await withSession(options, async (session) => {
        writeSecret(await addUser(session, name, { force: options.force ?? false, say }));
      });
    },
  },
  "user revoke": {
    about: "refuse a user from now on, end its builds, and cut its connections",
    shape: named("the user"),
    run: ({ options, name }) => withSession(options, (session) => revokeUser(session, name, say)),
  },
  "user list": {
    about: "show the users, the revoked ones too",
    shape: withJson,
    run: ({ options }) =>
      withSession(options, async (session) => print(await session.ask(adminUsers, { v: 1 }), options, usersText)),
  },
  builders: {
    about: "show every machine with its state, its age, why, and what it printed last",
    shape: (command) => withJson(command).option("--console <lines>", "how much of what each printed", "5"),
    run: async ({ options }) => {
      const consoleLines = lineCount(options.console ?? "");
      await withSession(options, async (session) =>
        print(await session.ask(adminBuilders, { v: 1, consoleLines }), options, buildersText),
      );
    },
  },
  "builders destroy": {
    about: "destroy a machine that stems from other records than the queue's; only such a one",
    shape: named("the id that cb-admin builders shows"),
    run: async ({ options, name }) => {
      const builder = assertId(name);
      await withSession(options, async (session) => {
        const { pool } = await session.ask(adminDestroy, { v: 1, builder });
        say(`${builder}: the provider of pool ${pool} destroys it`);
      });
    },
  },
  plan: {
    about: "show what the reconciler would do now, and why; nothing is done",
    shape: withJson,
    run: ({ options }) =>
      withSession(options, async (session) => print(await session.ask(adminPlan, { v: 1 }), options, planText)),
  },
};

await main("cb-admin", async (argv) => {
  const words = argv.slice(0, 2).filter((word) => !word.startsWith("-"));
  const verb = [words.join(" "), words[0] ?? ""].find((one) => Object.hasOwn(VERBS, one));
  const found = verb === undefined ? undefined : VERBS[verb];
  if (verb === undefined || found === undefined) return unknownVerb(argv, words);
  const command = new Command(`cb-admin ${verb}`)
    .description(found.about)
    .option("-c, --config <file>", "the operator's settings (default: admin.yaml, see the documentation)")
    .option("--debug", "say more when something fails");
  const { options, args } = parse<Options & Record<string, unknown>>(
    found.shape?.(command) ?? command,
    argv.slice(verb.split(" ").length),
  );
  await found.run({ options, name: args[0] ?? "" });
  return 0;
});

function unknownVerb(argv: readonly string[], words: readonly string[]): number {
  const lines = Object.entries(VERBS).map(([verb, { about }]) => `  cb-admin ${verb.padEnd(17)} ${about}\n`);
  if (argv.includes("--help") || argv.includes("-h")) {
    show(`Usage:\n${lines.join("")}Each takes --help.\n`);
    return 0;
  }
  const what = words.length === 0 ? "nothing was asked for" : `no such request: ${words.join(" ")}`;
  throw new CbError("usage", what, { hint: `there are ${Object.keys(VERBS).join(", ")}; see cb-admin --help` });
}

async function withSession(options: Options, work: (session: AdminSession) => Promise<void>): Promise<void> {
  const session = await AdminSession.open(options.config);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

function lineCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count <= CONSOLE_LINES_MAX) return count;
  throw new CbError("usage", `--console takes a number of lines up to ${CONSOLE_LINES_MAX}, and not ${text}`);
}
