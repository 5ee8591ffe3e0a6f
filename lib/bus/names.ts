/**
 * The names on the bus that a permission is made of: subjects, streams, buckets.
 *
 * An id or a user name becomes a token of a subject here and nowhere else, and is checked on the way: a dot, a wildcard,
 * a space or a line end in it would be another subject, more rights, or protocol of its own.
 */
import { CbError } from "../errors.ts";

/**
 * What guests put in front of the JetStream API instead of `$JS.API` (the `apiPrefix` of nats.js): their account has no
 * JetStream of its own and imports just the calls it needs under this name.
 */
export const GUEST_API_PREFIX = "JSC.API";

/**
 * Where a guest's request for a consumer arrives in CORE: `guest.reader.<stream>.<consumer>[.<filter>]`. To the guest it
 * is JetStream's own `CONSUMER.CREATE`; the queue answers it, because JetStream would take any `deliver_subject`.
 */
export const GUEST_READER_PREFIX = "guest.reader";

/** What a user may ask of the queue; each is a subject `queue.<verb>.<user>`. */
export const QUEUE_VERBS = ["reserve", "cancel", "attach", "builds", "status", "images"] as const;
export type QueueVerb = (typeof QUEUE_VERBS)[number];

/** The two objects of a build's bucket: what goes up and what comes back. */
export type BuildObject = "context" | "image";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const USER_NAME = /^[a-z0-9_][a-z0-9_-]{0,63}$/;

/** A build id or builder id: a UUID v4 in lower case. */
export function isId(text: unknown): text is string {
  return typeof text === "string" && UUID_V4.test(text);
}

/** A user name as POSIX systems have them, in lower case, at most 64 characters, and one token of a subject. */
export function isUserName(text: unknown): text is string {
  return typeof text === "string" && USER_NAME.test(text);
}

/** Throws CbError "usage" unless `text` is a UUID v4 in lower case. */
function id(text: string): string {
  if (isId(text)) return text;
  throw new CbError("usage", `not an id: ${JSON.stringify(text).slice(0, 80)}`, {
    hint: "an id looks like e6a0cd58-255c-4f17-b0df-51c5b0120d07",
  });
}

/** Throws CbError "usage" unless `text` is a user name. */
function user(text: string): string {
  if (isUserName(text)) return text;
  throw new CbError("usage", `not a user name: ${JSON.stringify(text).slice(0, 80)}`, {
    hint: "lower-case letters, digits, _ and -, at most 64, and no - in front",
  });
}

/** Every function throws CbError "usage" on anything that is no id or no user name. */
export const subjects = {
  /** User → queue, a request. `queue.<verb>.<user>` */
  queue: (verb: QueueVerb, name: string) => `queue.${verb}.${user(name)}`,
  /** Agent → queue, a request that is parked: "alive; anything for me?" `builder.<builder>.ask` */
  ask: (builder: string) => `builder.${id(builder)}.ask`,
  /** Agent → caller, JetStream: the raw bytes of the output. `build.<build>.log` */
  log: (build: string) => `build.${id(build)}.log`,
  /** Queue and agent → caller, JetStream: JSON. `build.<build>.state` */
  state: (build: string) => `build.${id(build)}.state`,
};

/** The stream of a build's log and state. */
export function buildStream(build: string): string {
  return `build-${id(build)}`;
}

/** The object bucket of a build, as object store clients name it. */
export function bucketName(build: string): string {
  return `build-${id(build)}`;
}

/** The stream under a build's bucket. */
export function bucketStream(build: string): string {
  return `OBJ_build-${id(build)}`;
}

/** The build whose stream or bucket that is; nothing for the name of any other stream. */
export function buildOfStream(stream: string): string | undefined {
  const build = stream.replace(/^(OBJ_)?build-/, "");
  return build !== stream && isId(build) ? build : undefined;
}

/** The subjects of all chunks in a build's bucket; an object's own is `$O.<bucket>.C.<nuid>`. */
export function chunkSubjects(build: string): string {
  return `$O.build-${id(build)}.C.*`;
}

/** The subjects of all objects' descriptions in a build's bucket. */
export function metaSubjects(build: string): string {
  return `$O.build-${id(build)}.M.*`;
}

/** The subject of one object's description: the name in base64url with its padding, as the stock clients write it. */
export function metaSubject(build: string, object: BuildObject): string {
  return `$O.build-${id(build)}.M.${base64url(object)}`;
}

/** base64url with padding, which node's own "base64url" leaves out and the stock object store clients do not. */
function base64url(text: string): string {
  return Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
