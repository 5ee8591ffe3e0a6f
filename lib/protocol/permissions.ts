/**
 * The permissions of each kind of credential, as pure functions. Each grants the minimum; the integration tests show that it is
 * enough and that nothing beyond it can be reached.
 *
 * Each credential subscribes to its own inbox, `_INBOX.<public key>.>` (nats.js: `inboxPrefix`), because `_INBOX.>` has the replies
 * to every other credential too.
 */
import type { User } from "@nats-io/jwt";
import { MESSAGE_MAX_BYTES } from "./codec.ts";
import {
  ADMIN_VERBS,
  type BuildObject,
  buildBucketStream,
  buildChunkWildcard,
  buildMetaSubject,
  buildStream,
  GUEST_API_PREFIX,
  inboxPrefix,
  patterns,
  QUEUE_VERBS,
  subjects,
} from "./subjects.ts";

/** The part of a user's JWT that has its permissions and limits. */
export type Rights = Partial<User>;

export type BuildRole = "caller" | "agent";

/** `tree`: the build with the packed tree that this build may read, too. */
export interface BuildSubjects {
  readonly build: string;
  readonly tree?: string | undefined;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/** A user, or a CI job with the user's credential: requests to the queue under the user's name. */
export function userPermissions(name: string, publicKey: string): Rights {
  return rights({
    publish: QUEUE_VERBS.map((verb) => subjects.queue(verb, name)),
    publicKey,
    // nats.js needs one inbox subscription for all requests; another client library may need more.
    subscriptions: 8,
    // The reservation has the recipe, and JSON escapes add to its bytes.
    payloadBytes: MESSAGE_MAX_BYTES,
  });
}

/** A builder: the agent's request, before and during its build. */
export function builderPermissions(builder: string, publicKey: string): Rights {
  return rights({ publish: [subjects.ask(builder)], publicKey, subscriptions: 4, payloadBytes: 64 * KiB });
}

/**
 * One build and nothing else. The caller reads the log and the image and puts the context; the agent writes the log and puts the
 * image and the list of its chunks. Both can read either object, and the caller reads the image while the agent still puts it. An agent
 * may also read the tree of its lease.
 */
export function buildPermissions(role: BuildRole, { build, tree }: BuildSubjects, publicKey: string): Rights {
  const objects: readonly BuildObject[] = role === "caller" ? ["context"] : ["image", "image-chunks"];
  const puts = [buildChunkWildcard(build), ...objects.map((object) => buildMetaSubject(build, object))];
  // After an outage the agent reads which of its messages was stored last.
  const last = `${GUEST_API_PREFIX}.STREAM.MSG.GET.${buildStream(build)}`;
  const own = role === "caller" ? readerCalls(buildStream(build)) : [subjects.log(build), subjects.state(build), last];
  return rights({
    publish: [...puts, ...own, ...[build, ...(tree === undefined ? [] : [tree])].flatMap(bucketReaderCalls)],
    publicKey,
    // The inbox, and a reader each for log, context and image, with two of each while one is being replaced.
    subscriptions: 16,
    // A chunk of an object has at most 1 MiB with its headers, a log message tens of KiB.
    payloadBytes: 2 * MiB,
  });
}

const bucketReaderCalls = (build: string): string[] => readerCalls(buildBucketStream(build));

/** The API calls of a reader of `stream`: the last message of a subject, the state of the stream, and a pull consumer. */
function readerCalls(stream: string): string[] {
  return [
    `${GUEST_API_PREFIX}.STREAM.MSG.GET.${stream}`,
    `${GUEST_API_PREFIX}.STREAM.INFO.${stream}`,
    `${GUEST_API_PREFIX}.CONSUMER.CREATE.${stream}.>`,
    `${GUEST_API_PREFIX}.CONSUMER.MSG.NEXT.${stream}.*`,
    `${GUEST_API_PREFIX}.CONSUMER.DELETE.${stream}.*`,
  ];
}

/**
 * An operator, in CORE: sees all logs, states and lifecycle events, pings the NATS services, reads streams, and sends the requests
 * of cb-admin under the operator's own name. This is not a sandbox: the holder could misuse reply subjects within CORE, so it is
 * for people who are trusted with the installation. It does not see the requests of users, which may have a registry login. The
 * nats CLI needs `--inbox-prefix _INBOX.<public key>` to receive replies.
 */
export function operatorPermissions(name: string, publicKey: string): Rights {
  const calls = ["INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.INFO.*", "STREAM.MSG.GET.*", "CONSUMER.NAMES.*"];
  const readers = ["CONSUMER.LIST.*", "CONSUMER.INFO.*.*", "CONSUMER.CREATE.>", "CONSUMER.MSG.NEXT.*.*"];
  const apis = [...calls, ...readers, "CONSUMER.DELETE.*.*"].map((call) => `$JS.API.${call}`);
  return rights({
    publish: ["$SRV.>", "$JS.FC.>", ...apis, ...ADMIN_VERBS.map((verb) => subjects.admin(verb, name))],
    subscribe: [patterns.log, patterns.state, patterns.builderState, "$JS.EVENT.>", "$SRV.>"],
    publicKey,
    subscriptions: 64,
    payloadBytes: 1 * MiB,
  });
}

/**
 * The backup, in CORE: lists streams and takes snapshots of them. It cannot restore one: with that right a credential could replace
 * every record. Like that of an operator this is not a sandbox, because its holder could misuse reply subjects within CORE, and the
 * snapshots hold the recipes, logs and images of all users.
 */
export function backupPermissions(publicKey: string): Rights {
  const calls = ["STREAM.LIST", "STREAM.INFO.*", "STREAM.SNAPSHOT.*"].map((call) => `$JS.API.${call}`);
  return rights({
    // Without the acknowledgements the server ends a snapshot after 8 MiB.
    publish: [...calls, "$JS.SNAPSHOT.ACK.>"],
    publicKey,
    // The inbox for replies, and one for the chunks of a snapshot.
    subscriptions: 4,
    payloadBytes: 64 * KiB,
  });
}

/** The queue, in CORE: all subjects. It creates the streams, replies to all requests and keeps the records. */
export function queuePermissions(): Rights {
  return { pub: {}, sub: {}, allowed_connection_types: ["STANDARD"] };
}

/** Administration of the servers through SYS: replaces account JWTs (revocation), lists connections. */
export function systemPermissions(): Rights {
  return { pub: {}, sub: {}, allowed_connection_types: ["STANDARD"] };
}

interface Grant {
  readonly publish: readonly string[];
  readonly subscribe?: readonly string[];
  readonly publicKey: string;
  readonly subscriptions: number;
  readonly payloadBytes: number;
}

/** `publish` must not be empty: NATS reads an empty list as permission for everything. */
function rights(grant: Grant): Rights {
  return {
    pub: { allow: [...grant.publish] },
    sub: { allow: [`${inboxPrefix(grant.publicKey)}.>`, ...(grant.subscribe ?? [])] },
    subs: grant.subscriptions,
    payload: grant.payloadBytes,
    allowed_connection_types: ["STANDARD"],
  };
}
