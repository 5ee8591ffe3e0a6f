/**
 * The NATS accounts of an installation, and the services that GUEST imports from CORE.
 *
 * SYS is the system account of NATS. CORE has JetStream, the queue and the operators. GUEST has users and builders; it has no
 * JetStream and imports single services from CORE. A service import rewrites reply subjects, and that separates the guests:
 * within one account, permissions do not cover reply subjects, so a guest could make the server publish on any subject.
 */
import type { Account, Export, Import } from "@nats-io/jwt";
import { GUEST_API_PREFIX, GUEST_READER_PREFIX, patterns, STORAGE_SUBJECT } from "../../protocol/subjects.ts";

interface Service {
  readonly name: string;
  /** The subject in CORE. */
  readonly subject: string;
  /** The subject in GUEST, if it differs. */
  readonly local?: string;
  /** Singleton: one reply to a request. Stream: many. */
  readonly responseType: "Singleton" | "Stream";
}

/** A JetStream API call: `$JS.API.<call>` in CORE, `JSC.API.<call>` in GUEST. */
function api(call: string, responseType: Service["responseType"]): Service {
  return { name: `api ${call}`, subject: `$JS.API.${call}`, local: `${GUEST_API_PREFIX}.${call}`, responseType };
}

/**
 * The complete list of services that GUEST can reach. These are left out on purpose: DIRECT.GET (its replies bypass the import),
 * CONSUMER.CREATE (can deliver to any subject in CORE), STREAM.CREATE, UPDATE, DELETE, PURGE and MSG.DELETE (only the queue changes
 * streams), CONSUMER.LIST and NAMES, `$SRV`, `$KV`.
 */
export const GUEST_SERVICES: readonly Service[] = [
  { name: "queue", subject: patterns.queues, responseType: "Singleton" },
  { name: "builder ask", subject: patterns.ask, responseType: "Singleton" },
  { name: "build log", subject: patterns.log, responseType: "Singleton" },
  { name: "build state", subject: patterns.state, responseType: "Singleton" },
  { name: "object chunks", subject: patterns.chunks, responseType: "Singleton" },
  { name: "object descriptions", subject: patterns.metas, responseType: "Singleton" },
  // Served by the queue instead of JetStream: see consumer-proxy.ts.
  {
    name: "reader",
    subject: `${GUEST_READER_PREFIX}.>`,
    local: `${GUEST_API_PREFIX}.CONSUMER.CREATE.>`,
    responseType: "Singleton",
  },
  api("CONSUMER.DELETE.>", "Singleton"),
  api("CONSUMER.MSG.NEXT.>", "Stream"),
  api("STREAM.MSG.GET.>", "Singleton"),
  api("STREAM.INFO.>", "Singleton"),
];

/**
 * How long the server keeps the reply subject of a request through an import. It must be longer than a parked request (3 s) and a
 * pull request (30 s), with a margin. A request without a reply uses memory for that long. The default of NATS is 2 minutes.
 */
const RESPONSE_THRESHOLD_MS = 60_000;

/** JetStream counts durations in nanoseconds. */
const NS_PER_MS = 1_000_000;

export interface AccountLimits {
  /** Connections at once of all users and builders. NATS has no limit per user. */
  readonly guestConnections: number;
  /** Connections at once of queues, operators and administration. */
  readonly coreConnections: number;
}

/**
 * SYS reports the limit of JetStream (`max_file`) and what is reserved of it, for each server. The account info of JetStream shows
 * no limit for an account without one.
 */
const STORAGE_SERVICE: Service = { name: "storage", subject: STORAGE_SUBJECT, responseType: "Stream" };

/**
 * CORE: JetStream without limits, the exports, and the import from SYS. `signingKey` is the public half of the key that signs user
 * JWTs, `sys` the public key of SYS.
 */
export function coreAccount(signingKey: string, sys: string, limits: AccountLimits): Partial<Account> {
  return {
    ...accountOf(signingKey, limits.coreConnections),
    exports: GUEST_SERVICES.map(exportOf),
    imports: [importOf(STORAGE_SERVICE, sys)],
    limits: {
      ...unlimited(limits.coreConnections),
      mem_storage: -1,
      disk_storage: -1,
      streams: -1,
      consumer: -1,
      max_ack_pending: -1,
    },
  };
}

/** GUEST: no JetStream, no exports, and the imports from CORE. `core` is the public key of CORE. */
export function guestAccount(signingKey: string, core: string, limits: AccountLimits): Partial<Account> {
  return {
    ...accountOf(signingKey, limits.guestConnections),
    imports: GUEST_SERVICES.map((service) => importOf(service, core)),
    // For a user JWT without permissions, which NATS would otherwise allow everything.
    default_permissions: { pub: { deny: [">"] }, sub: { deny: [">"] } },
  };
}

/** SYS: the system account. Its users are administrators. No account but CORE imports from it. */
export function systemAccount(): Partial<Account> {
  return { limits: unlimited(-1), exports: [exportOf(STORAGE_SERVICE)] };
}

function accountOf(signingKey: string, connections: number): Partial<Account> {
  return { limits: unlimited(connections), signing_keys: [signingKey] };
}

/** No limits (-1; the server reads a missing number as 0), no leaf nodes and no bearer tokens. */
function unlimited(connections: number): NonNullable<Account["limits"]> {
  return {
    conn: connections,
    leaf: 0,
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    disallow_bearer: true,
  };
}

function exportOf(service: Service): Export {
  return {
    name: service.name,
    subject: service.subject,
    type: "service",
    response_type: service.responseType,
    response_threshold: RESPONSE_THRESHOLD_MS * NS_PER_MS,
  };
}

function importOf(service: Service, account: string): Import {
  const local = service.local === undefined ? {} : { local_subject: service.local };
  return { name: service.name, subject: service.subject, account, type: "service", ...local };
}
