/** Creates the parts of the queue and connects them: each gets the parts that it uses, in the order of their dependencies. */
import { type BootstrapsConfig, NO_BOOTSTRAPS } from "../config/bootstraps-config.ts";
import type { BuildLimits } from "../config/queue-config.ts";
import type { QuotasConfig } from "../config/quota-config.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { SealingKey } from "../core/sealed-box.ts";
import type { Issuer } from "../nats/credentials/issuer.ts";
import type { Pool } from "../pool/pool.ts";
import type { Compression } from "../protocol/build-options.ts";
import type { RegistryLogin } from "../protocol/secret-messages.ts";
import { AdminBuilds } from "./api/admin-builds.ts";
import { AdminPools } from "./api/admin-pools.ts";
import { AdminUsers } from "./api/admin-users.ts";
import { AgentRequests } from "./api/agent-requests.ts";
import type { Images } from "./api/images.ts";
import { RefusalLog } from "./api/refusal-log.ts";
import { Reservations } from "./api/reservations.ts";
import { TerminalSizes } from "./api/terminal-sizes.ts";
import { UserBuilds } from "./api/user-builds.ts";
import { BootstrapJobs } from "./bootstraps/jobs.ts";
import { BootstrapTrees } from "./bootstraps/trees.ts";
import { BuildCredentials } from "./builds/build-credentials.ts";
import type { Builds } from "./builds/builds.ts";
import { ContextUploads } from "./builds/context-uploads.ts";
import { Endings } from "./builds/endings.ts";
import type { BuildStreams } from "./builds/streams.ts";
import { UnrecordedBuilds } from "./builds/unrecorded-builds.ts";
import { WaitingNotices } from "./builds/waiting-notices.ts";
import { BuildAttempts } from "./leases/attempts.ts";
import { BuilderLeases } from "./leases/builders.ts";
import type { PoolKind } from "./leases/choose-pool.ts";
import type { Drains } from "./leases/drains.ts";
import { LeaseAnnouncements } from "./leases/lease-announcements.ts";
import { LeaseMessages } from "./leases/lease-messages.ts";
import { LeaseSecrets } from "./leases/lease-secrets.ts";
import { Leases } from "./leases/leases.ts";
import { LostBuilders } from "./leases/lost-builders.ts";
import type { ParkedRequests } from "./leases/parked-requests.ts";
import { Placement } from "./leases/placement.ts";
import { Retention } from "./retention/retention.ts";
import type { Claims } from "./reuse/claims.ts";
import { SharedBuilds } from "./reuse/shared-builds.ts";
import type { StorageMonitor } from "./storage/storage-monitor.ts";
import { CredentialRenewal } from "./users/credential-renewal.ts";
import { Quotas } from "./users/quotas.ts";
import { RevokedBuilds } from "./users/revoked-builds.ts";
import type { Usage } from "./users/usage.ts";
import type { Users } from "./users/users.ts";
import type { QueueEvents } from "./watch/events.ts";

/** Everything that the queue needs from outside. Only `createServices` and `Queue` take all of it. */
export interface QueueOptions {
  readonly builds: Builds;
  readonly claims: Claims;
  readonly users: Users;
  readonly streams: BuildStreams;
  readonly storage: StorageMonitor;
  /** By name, in the order of the configuration: a build without a named pool waits in the first that meets its requirements. */
  readonly pools: ReadonlyMap<string, Pool>;
  /** The same pools with the architecture that each builds for. */
  readonly poolKinds: readonly PoolKind[];
  readonly drains: Drains;
  readonly usage: Usage;
  readonly quotas: QuotasConfig;
  readonly parked: ParkedRequests;
  readonly issuer: Issuer;
  /** Users seal their secrets to the first; the others are renewed, and still open them. Default: the queue takes no secrets. */
  readonly sealingKeys?: readonly SealingKey[];
  /** Logins of the site for builds that pull from these registries. Default: none. */
  readonly siteLogins?: readonly RegistryLogin[] | undefined;
  readonly images: Images;
  /** Default: the queue keeps no trees of debootstrap. */
  readonly bootstraps?: BootstrapsConfig | undefined;
  /** HOST or HOST:PORT of the registries that builders may use without TLS. */
  readonly plainHttpRegistries: readonly string[];
  /** For builds that choose none. Default: `default`. */
  readonly compression?: Compression | undefined;
  readonly limits: BuildLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts the events. Default: they are not counted. */
  readonly events?: QueueEvents | undefined;
  /** Warnings for cb-status. Default: none. */
  readonly warnings?: (() => readonly string[]) | undefined;
}

export type Services = ReturnType<typeof createServices>;

export function createServices(options: QueueOptions) {
  const { builds, users, streams, storage, pools, poolKinds, parked, issuer, plainHttpRegistries, limits, clock, log } =
    options;
  const { claims, drains, usage, events, compression = "default", bootstraps = NO_BOOTSTRAPS } = options;
  const { buildMs, leasedPerUser } = limits;
  const credentials = new BuildCredentials({ issuer, limits, clock });
  const builders = new BuilderLeases(pools, parked);
  const endings = new Endings({ builds, streams, builders, usage, clock, log });
  const quotas = new Quotas({ config: options.quotas, usage, builds, clock });
  const lost = new LostBuilders({ builds, builders, endings, clock, log });
  const announcements = new LeaseAnnouncements({ streams, builders, buildMs });
  const secrets = new LeaseSecrets(options.sealingKeys, options.siteLogins);
  const trees = new BootstrapTrees({ builds, config: bootstraps, clock });
  const messages = new LeaseMessages({
    credentials,
    secrets,
    trees,
    poolKinds,
    plainHttpRegistries,
    compression,
    limits,
  });
  const leases = new Leases({ builds, builders, streams, endings, parked, announcements, messages, clock, log });
  const placement = new Placement({ builds, builders, lost, leases, leasedPerUser, log });
  const attempts = new BuildAttempts({ builds, streams, endings, lost, limits });
  const terminalSizes = new TerminalSizes(builds, parked);
  const revokedBuilds = new RevokedBuilds({ builds, users, endings, log });
  const shared = new SharedBuilds({ builds, claims, streams, builders, poolKinds, compression, clock, log });
  const idleMaxMs = limits.contextMs;
  const reservations = new Reservations({
    builds,
    streams,
    storage,
    endings,
    placement,
    credentials,
    secrets,
    shared,
    poolKinds,
    drains,
    quotas,
    limits,
    clock,
    log,
  });
  return {
    endings,
    quotas,
    lost,
    leases,
    placement,
    terminalSizes,
    revokedBuilds,
    shared,
    agentRequests: new AgentRequests({ builds, builders, leases, attempts, placement, terminalSizes, parked }),
    contextUploads: new ContextUploads({ builds, streams, endings, placement, idleMaxMs, clock, log, events }),
    reservations,
    bootstrapJobs: new BootstrapJobs({
      builds,
      builders,
      endings,
      reservations,
      trees,
      max: bootstraps.max,
      clock,
      log,
    }),
    userBuilds: new UserBuilds({ builds, endings, credentials, limits, clock }),
    unrecorded: new UnrecordedBuilds({ builds, streams, log }),
    adminBuilds: new AdminBuilds({ builds, endings, limits, clock, log }),
    adminPools: new AdminPools({ pools, drains, builds, clock, log }),
    adminUsers: new AdminUsers({ users, revokedBuilds, issuer, log }),
    credentialRenewal: new CredentialRenewal({ users, issuer, clock, log }),
    waitingNotices: new WaitingNotices({ builds, pools, streams, lost, placement, leasedPerUser, log }),
    retention: new Retention({ builds, claims, streams, storage, endings, limits, clock, log }),
    refusalLog: new RefusalLog({ clock, log }),
  };
}
