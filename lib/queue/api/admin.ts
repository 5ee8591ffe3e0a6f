/** What operators ask: users, machines, the plan. Only the account CORE reaches these subjects. */

import { CbError } from "../../core/errors.ts";
import type { RpcServer } from "../../nats/rpc/server.ts";
import type { BuildersReply, PlanReply, UsersReply } from "../../protocol/admin-messages.ts";
import * as registry from "../../protocol/requests.ts";
import { principals } from "../../protocol/subjects.ts";
import type { Endings } from "../builds/endings.ts";
import type { QueuePorts } from "../ports.ts";
import { endBuildsOf, liveBuildsOf } from "../users/revoked-builds.ts";
import type { UserRecord } from "../users/users.ts";
import { machinesOf } from "./machines.ts";
import { actionText } from "./plan-text.ts";

export interface AdminParts {
  readonly listener: RpcServer;
  readonly ports: QueuePorts;
  readonly endings: Endings;
}

export function serveAdmin({ listener, ports, endings }: AdminParts): void {
  const {
    adminAddUser: addUser,
    adminRevokeUser: revokeUser,
    adminUsers: users,
    adminBuilders: builders,
    adminDestroy: destroy,
    adminPlan: plan,
  } = registry;
  const { log } = ports;
  listener.serve(addUser, async (operator, { name, publicKey }) => {
    // What a revoked user of this name has left must not become the new one's.
    if (ports.users.isRevoked(name)) await endBuildsOf(name, ports, endings);
    // Signed before it is written down: a revocation reaches what was issued up to a time, and the record has that time.
    const jwt = ports.issuer.userJwt(name, publicKey);
    await ports.users.add(name, publicKey);
    listener.expect(principals.users, name);
    log.info({ operator, user: name, publicKey }, "user added");
    return { v: 1, jwt };
  });
  listener.serve(revokeUser, async (operator, { name, revokedKey }) => {
    const builds = liveBuildsOf(name, ports);
    const record =
      revokedKey === undefined
        ? await revoke(name, ports, endings)
        : await noteNatsRevocation(name, revokedKey, ports, endings);
    const { publicKey, createdAtMs, revokedAtMs = createdAtMs } = record;
    log.warn({ operator, user: name, publicKey, revokedKey, builds }, "user revoked");
    return { v: 1, publicKey, revokedAtMs, builds };
  });
  listener.serve(users, async () => ({ v: 1, users: ports.users.all().map(entry) }));
  listener.serve(builders, (_, { consoleLines }) => listBuilders(ports, consoleLines));
  listener.serve(destroy, async (operator, { builder }) => {
    const pool = await destroyForeign(builder, ports);
    log.warn({ operator, builder, pool }, "destroyed by name");
    return { v: 1, pool };
  });
  listener.serve(plan, () => previewPlans(ports));
}

/** The principal has yet to tell NATS, and is not to be kept from it by builds that take their time to end. */
async function revoke(name: string, ports: QueuePorts, endings: Endings): Promise<UserRecord> {
  const record = await ports.users.revoke(name);
  void endBuildsOf(name, ports, endings);
  return record;
}

/** Revokes nobody: somebody else may have finished it, and given the name a new key. */
async function noteNatsRevocation(
  name: string,
  revokedKey: string,
  ports: QueuePorts,
  endings: Endings,
): Promise<UserRecord> {
  if (ports.users.isRevoked(name)) await endBuildsOf(name, ports, endings);
  return ports.users.noteNatsRevocation(name, revokedKey);
}

function entry({ v: _, ...user }: UserRecord): UsersReply["users"][number] {
  return user;
}

async function listBuilders(ports: QueuePorts, consoleLines: number): Promise<BuildersReply> {
  return { v: 1, nowMs: ports.clock.nowMs(), pools: await machinesOf(ports.pools, ports.clock, consoleLines) };
}

/** The name of the pool that had it. */
async function destroyForeign(builder: string, { pools }: QueuePorts): Promise<string> {
  const names = new Set(pools.keys());
  for (const [name, pool] of pools) if (await pool.destroyOtherGeneration(builder, names)) return name;
  throw new CbError("usage", `no provider lists a machine ${builder} of ours`, {
    hint: "see all machines with: cb-admin builders",
  });
}

async function previewPlans({ pools, clock }: QueuePorts): Promise<PlanReply> {
  const previews = await Promise.all([...pools].map(async ([name, pool]) => ({ name, ...(await pool.preview()) })));
  return {
    v: 1,
    nowMs: clock.nowMs(),
    pools: previews.map(({ name, plan }) => ({
      name,
      actions: plan.actions.map((action) => ({ what: actionText(action), reason: action.reason })),
      reason: plan.reason,
      nextPassAtMs: Math.ceil(plan.nextPassAtMs),
    })),
  };
}
