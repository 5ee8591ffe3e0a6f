/** Makes the trees that builds wish for, by builds of the queue's own, and gives up old ones. */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import type { Reservations } from "../api/reservations.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuilderLeases } from "../leases/builders.ts";
import { treeRecipe } from "./arguments.ts";
import { BOOTSTRAP_USER, nextJob, overdueJobs, surplusTrees, type TreeWish, treeName } from "./decide.ts";
import type { BootstrapTrees } from "./trees.ts";

export interface BootstrapJobsOptions {
  readonly builds: Builds;
  readonly builders: Pick<BuilderLeases, "free">;
  readonly endings: Endings;
  readonly reservations: Pick<Reservations, "reserve">;
  readonly trees: BootstrapTrees;
  /** Trees that are kept. */
  readonly max: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const OVERDUE = { v: 1, state: "cancelled", reason: "debootstrap takes too long" } as const;

export class BootstrapJobs {
  readonly #options: BootstrapJobsOptions;

  constructor(options: BootstrapJobsOptions) {
    this.#options = options;
  }

  /** Called at each tick. Throws CbError "infrastructure" without NATS. */
  async pass(): Promise<void> {
    const { builds, endings, trees, max, clock, log } = this.#options;
    const nowMs = clock.nowMs();
    const records = builds.all().filter(({ user }) => user === BOOTSTRAP_USER);
    for (const { build } of overdueJobs(records, nowMs)) await endings.end(build, OVERDUE);
    for (const record of surplusTrees(records, { max, nowMs })) {
      await endings.recordReceived(record.build);
      log.info({ ...buildFields(record), tree: record.name }, "packed tree given up");
    }
    const wish = nextJob({ wishes: trees.wishes(), records, ...this.#capacity(), nowMs });
    if (wish !== undefined) await this.#make(wish);
  }

  #capacity(): { waiting: ReadonlySet<string>; free: ReadonlyMap<string, number> } {
    const { builds, builders } = this.#options;
    const free = new Map<string, number>();
    for (const { pool } of builders.free()) free.set(pool, (free.get(pool) ?? 0) + 1);
    return { waiting: new Set(builds.waiting().map(({ pool }) => pool)), free };
  }

  /** The queue is the caller. A wish that is refused, as when NATS has no storage, is forgotten until the next build has it. */
  async #make(wish: TreeWish): Promise<void> {
    const { reservations, trees, log } = this.#options;
    const { arguments: args, pool } = wish;
    trees.forget(wish);
    const reply = await reservations.reserve(BOOTSTRAP_USER, {
      v: 1,
      request: randomUUID(),
      // The queue drops the seed of this key, so no program can use the credential of the reply.
      publicKey: createKey("user").publicKey,
      recipe: treeRecipe(args),
      name: treeName(args),
      pool,
    });
    log.info({ build: reply.build, tree: treeName(args), pool }, "making a packed tree");
  }
}
