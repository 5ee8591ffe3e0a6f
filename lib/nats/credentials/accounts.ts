/**
 * The accounts of an installation and the one door between them.
 *
 * SYS is NATS's own. CORE holds JetStream, the queue and the operators. GUEST holds users and builders; it has no
 * JetStream and imports single services from CORE. A service import rewrites reply subjects, and that is what keeps
 * guests apart: within one account permissions do not cover the subject a reply goes to, so that a guest could have
 * the server itself publish wherever it liked.
 */
import type { Account, Export, Import } from "@nats-io/jwt";
import { GUEST_API_PREFIX, GUEST_READER_PREFIX, patterns } from "../../protocol/subjects.ts";

interface Service {
  readonly name: string;
  /** The subject in CORE. */
  readonly subject: string;
  /** The subject in GUEST, where it is another one. */
  readonly local?: string;
  /** Singleton: one answer to a request. Stream: many. */
  readonly answers: "Singleton" | "Stream";
}

/** An API call: `$JS.API.<call>` in CORE, under the guests' own prefix in GUEST. */
function api(call: string, answers: Service["answers"]): Service {
  return { name: `api ${call}`, subject: `$JS.API.${call}`, local: `${GUEST_API_PREFIX}.${call}`, answers };
}

/**
 * Everything that GUEST can reach, all of it. What is missing is missing on purpose: DIRECT.GET (answers past the
 * import), CONSUMER.CREATE (delivers to any subject in CORE), STREAM.CREATE, UPDATE, DELETE, PURGE and MSG.DELETE (the queue's), CONSUMER.LIST and NAMES, `$SRV`, `$KV`.
 */
export const GUEST_SERVICES: readonly Service[] = [
  { name: "queue", subject: patterns.queues, answers: "Singleton" },
  { name: "builder ask", subject: patterns.ask, answers: "Singleton" },
  { name: "build log", subject: patterns.log, answers: "Singleton" },
  { name: "build state", subject: patterns.state, answers: "Singleton" },
  { name: "object chunks", subject: patterns.chunks, answers: "Singleton" },
  { name: "object descriptions", subject: patterns.metas, answers: "Singleton" },
  // Not JetStream's: the queue's, see reader-door.ts.
  {
    name: "reader",
    subject: `${GUEST_READER_PREFIX}.>`,
    local: `${GUEST_API_PREFIX}.CONSUMER.CREATE.>`,
    answers: "Singleton",
  },
  api("CONSUMER.DELETE.>", "Singleton"),
  api("CONSUMER.MSG.NEXT.>", "Stream"),
  api("STREAM.MSG.GET.>", "Singleton"),
  api("STREAM.INFO.>", "Singleton"),
];

/**
 * How long the server remembers whom an answer is for. Must outlast a parked ask (about 10 s) and a pull (30 s), with
 * room; every request that gets no answer costs memory for that long. NATS's own default is 2 minutes.
 */
const RESPONSE_THRESHOLD_MS = 60_000;

/** JetStream counts durations in nanoseconds. */
const NS_PER_MS = 1_000_000;

export interface AccountLimits {
  /** Connections at once from all users and builders. NATS has no limit per user. */
  readonly guestConnections: number;
  /** Connections at once of queues, operators and administration. */
  readonly coreConnections: number;
}

/** CORE: everything in JetStream, and the exports. `signingKey` is the public key that user JWTs are signed with. */
export function coreAccount(signingKey: string, limits: AccountLimits): Partial<Account> {
  return {
    ...accountOf(signingKey, limits.coreConnections),
    exports: GUEST_SERVICES.map(exportOf),
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

/** GUEST: no JetStream, no exports, and the imports from CORE, whose account id is `core`. */
export function guestAccount(signingKey: string, core: string, limits: AccountLimits): Partial<Account> {
  return {
    ...accountOf(signingKey, limits.guestConnections),
    imports: GUEST_SERVICES.map((service) => importOf(service, core)),
    // A user JWT without permissions of its own would be allowed everything: here it is allowed nothing.
    default_permissions: { pub: { deny: [">"] }, sub: { deny: [">"] } },
  };
}

/** SYS: the server's own account. Its users are administrators. */
export function systemAccount(): Partial<Account> {
  return { limits: unlimited(-1) };
}

function accountOf(signingKey: string, connections: number): Partial<Account> {
  return { limits: unlimited(connections), signing_keys: [signingKey] };
}

/** The server reads a missing number as 0; -1 is "no limit". No leaf nodes, no bearer tokens. */
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
    response_type: service.answers,
    response_threshold: RESPONSE_THRESHOLD_MS * NS_PER_MS,
  };
}

function importOf(service: Service, core: string): Import {
  const local = service.local === undefined ? {} : { local_subject: service.local };
  return { name: service.name, subject: service.subject, account: core, type: "service", ...local };
}
