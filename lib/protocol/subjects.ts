/**
 * The names of all subjects, streams and buckets. Other modules get them from here, where every id and user name is checked before
 * it becomes a token of a subject: these functions throw CbError "usage" on an invalid one.
 */
import { assertAccountKey, assertId, assertServerKey, assertUserKey, assertUserName, isId } from "./ids.ts";
import { bucketStream, metaSubject } from "./object-layout.ts";

/** The requests of a user. The third token of their subjects is the user; the user's credential allows no other. */
export const QUEUE_VERBS = [
  "reserve",
  "sent",
  "resize",
  "cancel",
  "received",
  "attach",
  "builds",
  "status",
  "images",
] as const;
export type QueueVerb = (typeof QUEUE_VERBS)[number];

/** The requests of an operator, in CORE only. The third token is the operator, for the queue's log. */
export const ADMIN_VERBS = [
  "add-user",
  "revoke-user",
  "users",
  "builders",
  "destroy",
  "plan",
  "streams",
  "delete-streams",
  "list-builds",
  "cancel-build",
  "drain-pool",
  "undrain-pool",
  "hold-builder",
  "release-builder",
  "usage",
] as const;
export type AdminVerb = (typeof ADMIN_VERBS)[number];

export const subjects = {
  /** Client → queue. */
  queue: (verb: QueueVerb, user: string): string => `queue.${verb}.${assertUserName(user)}`,
  /** Operator → queue. */
  admin: (verb: AdminVerb, operator: string): string => `admin.${verb}.${assertUserName(operator)}`,
  /** Agent → queue. */
  ask: (builder: string): string => `builder.${assertId(builder)}.ask`,
  /** Queue → JetStream: the state changes of a builder. */
  builderState: (builder: string): string => `builder.${assertId(builder)}.state`,
  /** Agent → JetStream: the output of the build, raw bytes. */
  log: (build: string): string => `build.${assertId(build)}.log`,
  /** Queue and agent → JetStream: the state changes of a build. */
  state: (build: string): string => `build.${assertId(build)}.state`,
};

/** The wildcard subjects that the queue serves and the streams store, with a star for each id. */
export const patterns = {
  queue: (verb: QueueVerb): string => `queue.${verb}.*`,
  queues: "queue.*.*",
  admin: (verb: AdminVerb): string => `admin.${verb}.*`,
  ask: "builder.*.ask",
  builderState: "builder.*.state",
  log: "build.*.log",
  state: "build.*.state",
  chunks: "$O.*.C.*",
  metas: "$O.*.M.*",
  suspended: "suspended.*",
};

/**
 * A guest's request for a consumer has the subject `guest.reader.<stream>.<consumer>[.<filter>]` in CORE. For the guest it is the
 * API call CONSUMER.CREATE. The queue replies to it, because JetStream would accept any `deliver_subject`.
 */
export const GUEST_READER_PREFIX = "guest.reader";

/** Each nats-server replies to the queue with its JetStream figures (its JSZ report), through an import from the system account. */
export const STORAGE_SUBJECT = "$SYS.REQ.SERVER.PING.JSZ";

/** One kind of principals: their requests have subjects of one form, in which one token is the principal. */
export interface Principals {
  /** The wildcard subject of all their requests. */
  readonly all: string;
  /** The wildcard subject of all requests of one principal. */
  readonly one: (principal: string) => string;
  /** The principal in a subject. Undefined when that token cannot be a name, an id or a stream. */
  readonly of: (subject: string) => string | undefined;
  /** The subject with a star for the principal: the pattern of one request. */
  readonly pattern: (subject: string) => string;
}

/** `form` is the wildcard subject, `at` the index of the token that is the principal, `rest` a wildcard for further tokens. */
const principalsOf = (form: string, at: number, rest = ""): Principals => ({
  all: form + rest,
  one: (principal) => form.split(".").with(at, principal).join(".") + rest,
  of: (subject) => /^[\w-]+$/.exec(subject.split(".", at + 1)[at] ?? "")?.[0],
  pattern: (subject) => subject.split(".").with(at, "*").join("."),
});

/** All principals of the queue's requests. */
export const principals = {
  users: principalsOf("queue.*.*", 2),
  operators: principalsOf("admin.*.*", 2),
  builders: principalsOf("builder.*.ask", 1),
  /** Readers of a build. The stream that they read is the principal. */
  readers: principalsOf(`${GUEST_READER_PREFIX}.*`, 2, ".>"),
};

/** The audit stream of the pools. Only the queue writes it. */
export const BUILDERS_STREAM = "builders";

/** One stream has the log and the states of a build, so the last line always precedes the final state. */
export const buildStream = (build: string): string => `build-${assertId(build)}`;
/** The filter for the log and the states of a build. */
export const buildFilter = (build: string): string => `build.${assertId(build)}.*`;
/** The objects of a build's bucket. */
export type BuildObject = "context" | "image" | "image-chunks";
/** The bucket of a build's context and image. */
export const bucket = (build: string): string => `build-${assertId(build)}`;
/** The stream of a build's bucket. */
export const buildBucketStream = (build: string): string => bucketStream(bucket(build));
/** All chunks, and all descriptions of objects, in a build's bucket. */
export const buildChunkWildcard = (build: string): string => `$O.${bucket(build)}.C.>`;
const buildMetaWildcard = (build: string): string => `$O.${bucket(build)}.M.>`;
/** The description of one object in a build's bucket. */
export const buildMetaSubject = (build: string, object: BuildObject): string => metaSubject(bucket(build), object);

/** The prefix of the JetStream API calls that GUEST imports. */
export const GUEST_API_PREFIX = "JSC.API";

/** The inbox of one credential. With a shared inbox, each credential could read the replies to all others. */
export const inboxPrefix = (publicKey: string): string => `_INBOX.${assertUserKey(publicKey)}`;

/** The build of a build's stream or of its bucket's stream. Undefined for every other stream. */
export function buildOfStream(stream: string): string | undefined {
  const build = /^(?:OBJ_)?build-(.+)$/.exec(stream)?.[1] ?? "";
  return isId(build) ? build : undefined;
}

/** All that a build's stream or bucket stores. Throws CbError "usage" for every other stream. */
export function storedSubjects(stream: string): string[] {
  const build = assertId(buildOfStream(stream) ?? stream);
  if (stream === buildStream(build)) return [subjects.log(build), subjects.state(build)];
  return [buildChunkWildcard(build), buildMetaWildcard(build)];
}

/** The one subject of a suspended stream. No message is ever sent on it. */
export const suspendedSubject = (stream: string): string => `suspended.${stream}`;

/** Subjects of nats-server in the account SYS: read the JWT of an account, and replace it on every server. */
export const accountClaims = {
  lookup: (account: string): string => `$SYS.REQ.ACCOUNT.${assertAccountKey(account)}.CLAIMS.LOOKUP`,
  update: "$SYS.REQ.CLAIMS.UPDATE",
};

/** Subject of one nats-server in the account SYS: its report about itself. `server` is the id in its INFO. */
export const serverStatus = (server: string): string => `$SYS.REQ.SERVER.${assertServerKey(server)}.STATSZ`;
