/**
 * Every subject, stream and bucket by name. Nothing outside lib/bus spells one; whoever needs one asks here, and what
 * is no id throws before it becomes a part of a subject.
 */
import { assertAccountKey, assertId, assertUserKey, assertUserName, isId } from "./ids.ts";

/** What a user may ask the queue; the third token is the user, which the user's credential fixes. */
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

/** What an operator may ask the queue, in CORE alone; the third token is the operator, for the queue's log. */
export const ADMIN_VERBS = ["add-user", "revoke-user", "users", "builders", "destroy", "plan"] as const;
export type AdminVerb = (typeof ADMIN_VERBS)[number];

export const subjects = {
  /** Client → queue. */
  queue: (verb: QueueVerb, user: string): string => `queue.${verb}.${assertUserName(user)}`,
  /** Operator → queue. */
  admin: (verb: AdminVerb, operator: string): string => `admin.${verb}.${assertUserName(operator)}`,
  /** Agent → queue. */
  ask: (builder: string): string => `builder.${assertId(builder)}.ask`,
  /** Queue → JetStream: the life of a builder. */
  builderState: (builder: string): string => `builder.${assertId(builder)}.state`,
  /** Agent → JetStream: what the build prints, raw bytes. */
  log: (build: string): string => `build.${assertId(build)}.log`,
  /** Queue and agent → JetStream: the life of a build. */
  state: (build: string): string => `build.${assertId(build)}.state`,
};

/** What the queue serves and watches, with a star where the id stands. */
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
};

/**
 * Where a guest's request for a consumer arrives in CORE: `guest.reader.<stream>.<consumer>[.<filter>]`. To the guest it
 * is JetStream's own `CONSUMER.CREATE`; the queue answers it, because JetStream would take any `deliver_subject`.
 */
export const GUEST_READER_PREFIX = "guest.reader";

/** Those who ask on subjects of one form, which the credential of each fixes. */
export interface Principals {
  /** The subject of all their questions. */
  readonly all: string;
  /** The subject of all that one of them asks. */
  readonly one: (principal: string) => string;
  /** Who asks on this subject; undefined for what could not stand in a subject of ours. */
  readonly of: (subject: string) => string | undefined;
  /** The subject with a star where the principal stands: the pattern of one request. */
  readonly pattern: (subject: string) => string;
}

/** In each form the principal is one token. */
const principalsOf = (everybody: string, at: number, rest = ""): Principals => ({
  all: everybody + rest,
  one: (principal) => everybody.split(".").with(at, principal).join(".") + rest,
  of: (subject) => /^[\w-]+$/.exec(subject.split(".", at + 1)[at] ?? "")?.[0],
  pattern: (subject) => subject.split(".").with(at, "*").join("."),
});

/** Everybody whom the queue answers. */
export const principals = {
  users: principalsOf("queue.*.*", 2),
  operators: principalsOf("admin.*.*", 2),
  builders: principalsOf("builder.*.ask", 1),
  /** Those who follow a build: the stream that they want to read stands for them. */
  readers: principalsOf(`${GUEST_READER_PREFIX}.*`, 2, ".>"),
};

/** The stream that audits the pool; only the queue writes it. */
export const BUILDERS_STREAM = "builders";

/** One stream per build carries its log and its states, so that the last line always precedes the end. */
export const buildStream = (build: string): string => `build-${assertId(build)}`;
/** Log and states together, for one reader. */
export const buildFilter = (build: string): string => `build.${assertId(build)}.*`;
/** The bucket of a build's context and image, and the stream that NATS keeps it in. */
export const bucket = (build: string): string => `build-${assertId(build)}`;
export const buildBucketStream = (build: string): string => `OBJ_build-${assertId(build)}`;
export const buildChunkSubjects = (build: string): string => `$O.build-${assertId(build)}.C.>`;
export const buildMetaSubjects = (build: string): string => `$O.build-${assertId(build)}.M.>`;

/** Under this prefix the account GUEST sees the part of the JetStream API that it may use. */
export const GUEST_API_PREFIX = "JSC.API";

/** Every credential has an inbox of its own: with a shared one, everybody could read everybody's replies. */
export const inboxPrefix = (publicKey: string): string => `_INBOX.${assertUserKey(publicKey)}`;

/** The two objects of a build's bucket: what goes up and what comes back. */
export type BuildObject = "context" | "image";

/** The subject of one object's description: its name in base64url with padding, as the stock clients write it. */
export const buildMetaSubject = (build: string, object: BuildObject): string =>
  `$O.${bucket(build)}.M.${Buffer.from(object).toString("base64")}`;

/** The build whose stream or bucket's stream that is; undefined for every other. */
export function buildOfStream(stream: string): string | undefined {
  const build = /^(?:OBJ_)?build-(.+)$/.exec(stream)?.[1] ?? "";
  return isId(build) ? build : undefined;
}

/** NATS's own, in the account SYS: the JWT of an account, asked for and replaced. The second goes to every server. */
export const accountClaims = {
  lookup: (account: string): string => `$SYS.REQ.ACCOUNT.${assertAccountKey(account)}.CLAIMS.LOOKUP`,
  update: "$SYS.REQ.CLAIMS.UPDATE",
};
