/** The commands `cb-admin builds` and `cb-admin cancel`: the builds of all users. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ADMIN_BUILDS_MAX } from "../../../protocol/admin-builds-messages.ts";
import type { BuildEntry } from "../../../protocol/builds-messages.ts";
import { assertUserName, isId } from "../../../protocol/ids.ts";
import { adminBuilds, adminCancel } from "../../../protocol/requests.ts";
import { type IdKind, idPrefix, idWithPrefix } from "../../short-id.ts";
import { BUILD_STATES, stateText } from "../../text/builds-text.ts";
import type { AdminSession } from "../admin-session.ts";
import { optionsOf, printLine, printReply, withSession } from "../command-session.ts";
import { adminBuildsText } from "./builds-text.ts";

const BUILD: IdKind = { noun: "build", list: "cb-admin builds" };
/** A screen or two. */
const DEFAULT_COUNT = 50;

export function addBuildsCommands(program: Command): void {
  program
    .command("builds")
    .description(
      "show the builds of all users, the newest first: state, times, builder, and why a build waits or failed",
    )
    .option("-u, --user <name>", "only builds of this user")
    .addOption(new Option("--state <state...>", "only builds in these states").choices(BUILD_STATES))
    .option("-n, --last <count>", `only the newest builds, at most ${ADMIN_BUILDS_MAX}`, countOf, DEFAULT_COUNT)
    .action((_, command: Command) => {
      const { user, state, last } = optionsOf<{ user?: string; state?: readonly string[]; last: number }>(command);
      const request = {
        v: 1,
        last,
        ...(user === undefined ? {} : { user: assertUserName(user) }),
        ...(state === undefined ? {} : { states: state.map(protocolState) }),
      } as const;
      return withSession(command, async (session) =>
        printReply(command, await session.request(adminBuilds, request), (reply) =>
          adminBuildsText(reply, process.stdout.columns),
        ),
      );
    });
  program
    .command("cancel")
    .description("cancel builds of any user")
    .argument("<id...>", "ids of builds, as cb-admin builds shows them; the first characters are enough")
    .option("--reason <text>", "shown to the owner of the build")
    .action((ids: string[], _, command: Command) => {
      const prefixes = ids.map((text) => idPrefix(text, BUILD));
      const { reason } = optionsOf<{ reason?: string }>(command);
      return withSession(command, async (session) => {
        for (const prefix of prefixes) await cancelOne(session, command, { prefix, reason });
      });
    });
}

async function cancelOne(
  session: AdminSession,
  command: Command,
  { prefix, reason }: { prefix: string; reason: string | undefined },
): Promise<void> {
  const build = await wholeId(session, prefix);
  const { user, state } = await session.request(adminCancel, {
    v: 1,
    build,
    ...(reason === undefined ? {} : { reason }),
  });
  const result = state === "cancelled" ? "cancelled" : `not cancelled, it had already ended: ${state}`;
  printLine(command, { v: 1, build, user, state }, `Build ${build} of ${user}: ${result}`);
}

async function wholeId(session: AdminSession, prefix: string): Promise<string> {
  if (isId(prefix)) return prefix;
  const { builds } = await session.request(adminBuilds, { v: 1, prefix, last: ADMIN_BUILDS_MAX });
  const candidates = builds.map(({ build, user, name, state }) => ({
    id: build,
    label: [user, name, stateText(state)].join(" "),
  }));
  return idWithPrefix(prefix, candidates, BUILD);
}

/** The state in the words of the protocol. */
const protocolState = (state: string): BuildEntry["state"] =>
  (state === "running" ? "leased" : state) as BuildEntry["state"];

/** Commander names the option in its message. */
function countOf(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= ADMIN_BUILDS_MAX) return count;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${ADMIN_BUILDS_MAX}.`);
}
