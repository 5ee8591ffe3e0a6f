/** What the reservation service needs of the rooms beside it, handed over once where the daemon is wired. */
import type { Logger } from "pino";
import type { Issuer } from "../auth/issuer.ts";
import type { BuildStreams } from "../build/streams.ts";
import type { Clock } from "../clock.ts";
import type { BuildLimits } from "../config/queue-config.ts";
import type { Pool } from "../pool/pool.ts";
import type { Builds } from "./builds.ts";
import type { PoolKind } from "./choose-pool.ts";
import type { Images } from "./images.ts";
import type { ParkedAsks } from "./parked-asks.ts";
import type { Users } from "./users.ts";

export interface QueuePorts {
  readonly builds: Builds;
  readonly users: Users;
  readonly streams: BuildStreams;
  /** The pools by name, in the order of the configuration: the first is where a build goes that names none. */
  readonly pools: ReadonlyMap<string, Pool>;
  /** The same pools, by what they build for. */
  readonly poolKinds: readonly PoolKind[];
  readonly parked: ParkedAsks;
  readonly issuer: Issuer;
  readonly images: Images;
  /** HOST or HOST:PORT of the registries that builders may ask without TLS. */
  readonly plainHttpRegistries: readonly string[];
  readonly limits: BuildLimits;
  readonly clock: Clock;
  readonly log: Logger;
}
