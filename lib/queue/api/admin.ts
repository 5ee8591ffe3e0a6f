/** The requests of operators. Only credentials of the account CORE reach their subjects. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { RpcServer } from "../../nats/rpc/server.ts";
import type { Pool } from "../../pool/pool.ts";
import * as requests from "../../protocol/requests.ts";
import { principals } from "../../protocol/subjects.ts";
import type { Explanation } from "../builds/explain.ts";
import type { UnrecordedBuilds } from "../builds/unrecorded-builds.ts";
import type { Drains } from "../leases/drains.ts";
import type { Usage } from "../users/usage.ts";
import { destroyByName, listBuilders } from "./admin-builders.ts";
import type { AdminBuilds } from "./admin-builds.ts";
import { previewPlans } from "./admin-plan.ts";
import type { AdminPools } from "./admin-pools.ts";
import { listStreams } from "./admin-streams.ts";
import { listUsage } from "./admin-usage.ts";
import type { AdminUsers } from "./admin-users.ts";

export interface AdminOptions {
  readonly users: AdminUsers;
  readonly builds: AdminBuilds;
  /** The waiting builds, with their reasons. */
  readonly waiting: () => readonly Explanation[];
  readonly adminPools: AdminPools;
  readonly drains: Drains;
  readonly usage: Pick<Usage, "ofMonth">;
  readonly unrecorded: UnrecordedBuilds;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly clock: Clock;
  readonly log: Logger;
}

export function serveAdmin(server: RpcServer, options: AdminOptions): void {
  const { users, builds, waiting, adminPools, drains, usage, unrecorded, pools, clock, log } = options;
  server.serve(requests.adminAddUser, async (operator, request) => {
    const reply = await users.add(operator, request);
    server.expect(principals.users, request.name);
    return reply;
  });
  server.serve(requests.adminRevokeUser, (operator, request) => users.revoke(operator, request));
  server.serve(requests.adminUsers, async () => users.list());
  server.serve(requests.adminBuilders, (_, { consoleLines }) => listBuilders({ pools, drains, clock }, consoleLines));
  server.serve(requests.adminDestroy, async (operator, { builder }) => {
    const pool = await destroyByName(pools, builder);
    log.warn({ operator, builder, pool }, "an operator destroyed a machine of another generation");
    return { v: 1, pool };
  });
  server.serve(requests.adminStreams, () => listStreams(unrecorded, clock));
  server.serve(requests.adminDeleteStreams, async (operator, { builds }) => {
    const deleted = await unrecorded.delete(builds);
    log.warn({ operator, ...deleted }, "an operator deleted streams of builds without a record");
    return { v: 1, ...deleted };
  });
  server.serve(requests.adminBuilds, async (_, request) => builds.list(request, waiting()));
  server.serve(requests.adminCancel, (operator, request) => builds.cancel(operator, request));
  server.serve(requests.adminDrain, (operator, request) => adminPools.drain(operator, request));
  server.serve(requests.adminUndrain, (operator, request) => adminPools.undrain(operator, request));
  server.serve(requests.adminHold, (operator, request) => adminPools.hold(operator, request));
  server.serve(requests.adminRelease, (operator, request) => adminPools.release(operator, request));
  server.serve(requests.adminUsage, (_, request) => listUsage({ usage, clock }, request));
  server.serve(requests.adminPlan, () => previewPlans(pools, clock));
}
