/** cb-admin: manages users and machines, shows the reconciler's plan, saves and restores the streams. For operators. */
import type { Command } from "commander";
import { addBuilderImageCommands } from "../infra/image/builder/commands.ts";
import { addSiteCommands } from "../infra/site/commands.ts";
import { addBackupCommands } from "../lib/cli/admin/backup-commands.ts";
import { buildersText } from "../lib/cli/admin/builders-text.ts";
import { optionsOf, printReply, refuseJson, withSession } from "../lib/cli/admin/command-session.ts";
import { deleteStreams } from "../lib/cli/admin/delete-streams.ts";
import { addBuildsCommands } from "../lib/cli/admin/operations/builds-commands.ts";
import { addPoolsCommands, wholeBuilderId } from "../lib/cli/admin/operations/pools-commands.ts";
import { addUsageCommand } from "../lib/cli/admin/operations/usage-command.ts";
import { planText } from "../lib/cli/admin/plan-text.ts";
import { refuseTerminal, writeSecret } from "../lib/cli/admin/secret-output.ts";
import { streamsText } from "../lib/cli/admin/streams-text.ts";
import { addUser, revokeUser } from "../lib/cli/admin/users.ts";
import { usersText } from "../lib/cli/admin/users-text.ts";
import { addForceOption } from "../lib/cli/force-option.ts";
import { main } from "../lib/cli/main.ts";
import { CONNECTED_FAILURES, createCommand, GROUP_USAGE, runSubcommand } from "../lib/cli/program.ts";
import { idPrefix } from "../lib/cli/short-id.ts";
import { CbError } from "../lib/core/errors.ts";
import { CONSOLE_LINES_MAX } from "../lib/protocol/admin-messages.ts";
import { assertId, assertUserName } from "../lib/protocol/ids.ts";
import { adminBuilders, adminDestroy, adminPlan, adminStreams, adminUsers } from "../lib/protocol/requests.ts";

const printError = (line: string): void => void process.stderr.write(`${line}\n`);

function addUserCommands(program: Command): void {
  const user = program.command("user").usage(GROUP_USAGE).description("manage users");
  addForceOption(
    user.command("add"),
    "if the user exists: revoke the user, end the user's builds, and add the user again",
  )
    .description("add a user and write the credential to standard output: cb-admin user add NAME > NAME.creds")
    .argument("<name>", "1 to 64 of a-z, 0-9, _ and -")
    .action(async (name: string, _, command: Command) => {
      refuseJson(command);
      assertUserName(name);
      refuseTerminal(process.stdout.isTTY, `cb-admin user add ${name} > ${name}.creds`);
      const force = optionsOf<{ force?: boolean }>(command).force ?? false;
      await withSession(command, async (session) =>
        writeSecret(await addUser(session, name, { force, print: printError })),
      );
    });
  user
    .command("revoke")
    .description("refuse a user from now on, end the user's builds, and close the user's connections")
    .argument("<name>", "the user")
    .action(async (name: string, _, command: Command) => {
      refuseJson(command);
      await withSession(command, (session) => revokeUser(session, name, printError));
    });
  user
    .command("list")
    .description("show the users, including the revoked ones")
    .action((_, command: Command) =>
      withSession(command, async (session) =>
        printReply(command, await session.request(adminUsers, { v: 1 }), usersText),
      ),
    );
}

function addBuilderCommands(program: Command): void {
  const builders = program
    .command("builders")
    .description("show every machine with its state, its age, the reason, and its last console lines")
    .option("--console <lines>", "number of console lines for each machine", "5")
    .allowExcessArguments(true)
    .action(async (_, command: Command) => {
      refuseOtherSubcommand(command, "destroy");
      const consoleLines = lineCount(optionsOf<{ console?: string }>(command).console ?? "");
      await withSession(command, async (session) =>
        printReply(command, await session.request(adminBuilders, { v: 1, consoleLines }), (reply) =>
          buildersText(reply, process.stdout.columns),
        ),
      );
    });
  builders
    .command("destroy")
    .description("destroy a machine of another generation, which the reconciler does not touch")
    .argument("<id>", "the id that cb-admin builders shows; the first characters are enough")
    .action(async (id: string, _, command: Command) => {
      refuseJson(command);
      const prefix = idPrefix(id, { noun: "builder", list: "cb-admin builders" });
      await withSession(command, async (session) => {
        const builder = await wholeBuilderId(session, prefix);
        const { pool } = await session.request(adminDestroy, { v: 1, builder });
        printError(`${builder}: the provider of pool ${pool} is destroying the machine`);
      });
    });
}

/** Commander suggests a subcommand only where the command itself has no action. */
function refuseOtherSubcommand(command: Command, subcommand: string): void {
  const [name] = command.args;
  if (name === undefined) return;
  throw new CbError("usage", `unknown command '${name}'`, {
    hint: `did you mean ${subcommand}? see cb-admin ${command.name()} --help`,
  });
}

function lineCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count <= CONSOLE_LINES_MAX) return count;
  throw new CbError("usage", `--console must be a number of lines up to ${CONSOLE_LINES_MAX}, not ${text}`);
}

function addPlanCommand(program: Command): void {
  program
    .command("plan")
    .description("show the reconciler's next actions with their reasons; nothing is executed")
    .action((_, command: Command) =>
      withSession(command, async (session) =>
        printReply(command, await session.request(adminPlan, { v: 1 }), planText),
      ),
    );
}

function addStreamsCommands(program: Command): void {
  const streams = program
    .command("streams")
    .description("show the builds that have streams (log, context, image) and no record, with age and size")
    .allowExcessArguments(true)
    .action(async (_, command: Command) => {
      refuseOtherSubcommand(command, "delete");
      await withSession(command, async (session) =>
        printReply(command, await session.request(adminStreams, { v: 1 }), streamsText),
      );
    });
  streams
    .command("delete")
    .description("delete the streams of builds without a record, for ever")
    .argument("[id...]", "the ids that cb-admin streams shows")
    .option("--all", "delete the streams of all of them")
    .action(async (ids: string[], _, command: Command) => {
      refuseJson(command);
      const all = optionsOf<{ all?: boolean }>(command).all ?? false;
      if (all === ids.length > 0) {
        throw new CbError("usage", "name the builds, or --all", { hint: "list them with: cb-admin streams" });
      }
      const builds = ids.map(assertId);
      await withSession(command, (session) => deleteStreams(session, all ? "all" : builds, printError));
    });
}

await main("cb-admin", async (argv) => {
  const program = createCommand({
    name: "cb-admin",
    summary:
      "Manage the users, builds and machines of an installation, show the reconciler's plan, back up and restore.",
    examples: {
      "cb-admin user add ada > ada.creds": "add a user",
      "cb-admin user revoke ada": "revoke a user",
      "cb-admin builders --console 20": "show the machines with 20 console lines each",
      "cb-admin builds --state waiting running": "show the builds of all users that wait or run",
      "cb-admin --json plan": "show the plan as JSON",
      "cb-admin backup /backup/$(date +%F)": "save the streams into a new folder",
    },
    variables: ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME", "CB_MIRROR", "CB_SECURITY_MIRROR"],
    files: ["~/.config/container-builder/admin.yaml", "/etc/container-builder/admin.yaml"],
    failures: CONNECTED_FAILURES,
  })
    .option("-c, --config <file>", "the operator's settings (default: admin.yaml, see the documentation)")
    .option("--json", "print JSON with all details; a command that has none refuses it");
  addUserCommands(program);
  addBuildsCommands(program);
  addBuilderCommands(program);
  addPoolsCommands(program);
  addUsageCommand(program);
  addPlanCommand(program);
  addStreamsCommands(program);
  addBackupCommands(program);
  addSiteCommands(program);
  addBuilderImageCommands(program);
  await runSubcommand(program, argv);
  return 0;
});
