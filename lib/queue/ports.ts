/** What the reservation service needs of the rooms beside it, handed over once where the daemon is wired. */
import type { Logger } from "pino";
import type { BuildLimits } from "../config/queue-config.ts";
import type { Clock } from "../core/clock.ts";
import type { Issuer } from "../nats/credentials/issuer.ts";
import type { Pool } from "../pool/pool.ts";
import type { Images } from "./api/images.ts";
import type { Builds } from "./builds/builds.ts";
import type { BuildStreams } from "./builds/streams.ts";
import type { PoolKind } from "./leases/choose-pool.ts";
import type { ParkedRequests } from "./leases/parked-requests.ts";
import type { Users } from "./users/users.ts";

export interface QueuePorts {
  readonly builds: Builds;
  readonly users: Users;
  readonly streams: BuildStreams;
  /** The pools by name, in the order of the configuration: the first is where a build goes that names none. */
  readonly pools: ReadonlyMap<string, Pool>;
  /** The same pools, by what they build for. */
  readonly poolKinds: readonly PoolKind[];
  readonly parked: ParkedRequests;
  readonly issuer: Issuer;
  readonly images: Images;
  /** HOST or HOST:PORT of the registries that builders may ask without TLS. */
  readonly plainHttpRegistries: readonly string[];
  readonly limits: BuildLimits;
  readonly clock: Clock;
  readonly log: Logger;
}
