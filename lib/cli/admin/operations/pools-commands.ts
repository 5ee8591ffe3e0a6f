/** The commands `cb-admin drain`, `undrain`, `hold` and `release`. */
import { type Command, InvalidArgumentError } from "commander";
import { HOLD_DEFAULT_MS, HOLD_MAX_MS } from "../../../protocol/admin-pools-messages.ts";
import { isId } from "../../../protocol/ids.ts";
import { adminBuilders, adminDrain, adminHold, adminRelease, adminUndrain } from "../../../protocol/requests.ts";
import { type IdKind, idPrefix, idWithPrefix } from "../../short-id.ts";
import { duration } from "../../text/progress.ts";
import type { AdminSession } from "../admin-session.ts";
import { optionsOf, printLine, withSession } from "../command-session.ts";

const BUILDER: IdKind = { noun: "builder", list: "cb-admin builders" };

export function addPoolsCommands(program: Command): void {
  addDrainCommands(program);
  addHoldCommands(program);
}

function addDrainCommands(program: Command): void {
  program
    .command("drain")
    .description("lease no more builders of a pool and destroy its reserve; running builds go on, others wait")
    .argument("<pool>", "the name of the pool")
    .option("--reason <text>", "shown to users, also while their builds wait")
    .action((pool: string, _, command: Command) => {
      const { reason = "" } = optionsOf<{ reason?: string }>(command);
      return withSession(command, async (session) => {
        const { v, ...reply } = await session.request(adminDrain, { v: 1, pool, reason });
        const text = `${pool}: drained; ${counted(reply.leased, "build")} running, ${reply.waiting} waiting`;
        printLine(command, { v, pool, ...reply }, text);
      });
    });
  program
    .command("undrain")
    .description("use a drained pool again")
    .argument("<pool>", "the name of the pool")
    .action((pool: string, _, command: Command) =>
      withSession(command, async (session) => {
        await session.request(adminUndrain, { v: 1, pool });
        printLine(command, { v: 1, pool }, `${pool}: in use again`);
      }),
    );
}

function addHoldCommands(program: Command): void {
  program
    .command("hold")
    .description(
      "keep a builder for a look at it: it gets no lease, and is not destroyed when its build ends or it fails",
    )
    .argument("<builder>", "the id that cb-admin builders shows; the first characters are enough")
    .option(
      "--for <duration>",
      "such as 30m, 8h or 2d, at most 7d; the builder is destroyed then (default: 4h)",
      durationOf,
    )
    .option("--reason <text>", "shown by cb-admin builders")
    .action((text: string, _, command: Command) => {
      const prefix = idPrefix(text, BUILDER);
      const { for: forMs = HOLD_DEFAULT_MS, reason = "" } = optionsOf<{ for?: number; reason?: string }>(command);
      return withSession(command, async (session) => {
        const builder = await wholeBuilderId(session, prefix);
        const reply = await session.request(adminHold, { v: 1, builder, forMs, reason });
        printLine(command, { ...reply, builder }, `${builder}: held for ${duration(forMs)}`);
      });
    });
  program
    .command("release")
    .description("end the hold of a builder: it is destroyed, after its build if one runs on it")
    .argument("<builder>", "the id that cb-admin builders shows; the first characters are enough")
    .action((text: string, _, command: Command) => {
      const prefix = idPrefix(text, BUILDER);
      return withSession(command, async (session) => {
        const builder = await wholeBuilderId(session, prefix);
        const reply = await session.request(adminRelease, { v: 1, builder });
        printLine(command, { ...reply, builder }, `${builder}: released`);
      });
    });
}

/** Throws CbError "usage" for the prefix of no builder, or of several. */
export async function wholeBuilderId(session: AdminSession, prefix: string): Promise<string> {
  if (isId(prefix)) return prefix;
  const { pools } = await session.request(adminBuilders, { v: 1, consoleLines: 0 });
  const candidates = pools.flatMap(({ builders }) =>
    builders.map(({ id, host, state }) => ({ id, label: `${host} ${state}`.trim() })),
  );
  return idWithPrefix(prefix, candidates, BUILDER);
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Commander names the option in its message. */
function durationOf(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit as keyof typeof UNIT_MS] ?? 0);
  if (ms > 0 && ms <= HOLD_MAX_MS) return ms;
  throw new InvalidArgumentError("It must be a duration such as 30m, 8h or 2d, at most 7d.");
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
