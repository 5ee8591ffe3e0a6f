/**
 * Who may publish and subscribe to what, as pure functions. Each gives the least that suffices; the integration tests
 * show both halves, that it suffices and that nothing beyond it is reached.
 *
 * Everybody subscribes to an inbox of their own, `_INBOX.<public key>.>`, since `_INBOX.>` would be everybody's mail
 * (nats.js: `inboxPrefix`).
 */
import type { User } from "@nats-io/jwt";
import { MESSAGE_MAX_BYTES } from "./codec.ts";
import {
  ADMIN_VERBS,
  buildBucketStream,
  buildChunkSubjects,
  buildMetaSubject,
  buildStream,
  GUEST_API_PREFIX,
  inboxPrefix,
  patterns,
  QUEUE_VERBS,
  subjects,
} from "./subjects.ts";

/** The part of a user's JWT that says what it may do. */
export type Rights = Partial<User>;

export type BuildRole = "caller" | "agent";

const KiB = 1024;
const MiB = 1024 * KiB;

/** A person, or a CI job in their name: the questions to the queue under their own name. */
export function userPermissions(name: string, publicKey: string): Rights {
  return rights({
    publish: QUEUE_VERBS.map((verb) => subjects.queue(verb, name)),
    publicKey,
    // One inbox subscription for all requests, and room for a second client library's habits.
    subscriptions: 8,
    // A recipe travels inside the reservation, and JSON makes more of its bytes.
    payloadBytes: MESSAGE_MAX_BYTES,
  });
}

/** A builder before and beside its build: one question. */
export function builderPermissions(builder: string, publicKey: string): Rights {
  return rights({ publish: [subjects.ask(builder)], publicKey, subscriptions: 4, payloadBytes: 64 * KiB });
}

/**
 * One build, nothing else. The caller reads the log and the image and puts the context; the agent writes the log and
 * puts the image. Both can read either object: an image half way up is the caller's to see.
 */
export function buildPermissions(role: BuildRole, build: string, publicKey: string): Rights {
  const bucket = buildBucketStream(build);
  const puts = [buildChunkSubjects(build), buildMetaSubject(build, role === "caller" ? "context" : "image")];
  // The agent looks after an outage which of its messages was stored last.
  const last = `${GUEST_API_PREFIX}.STREAM.MSG.GET.${buildStream(build)}`;
  const own = role === "caller" ? readerCalls(buildStream(build)) : [subjects.log(build), subjects.state(build), last];
  return rights({
    publish: [...puts, ...own, ...readerCalls(bucket)],
    publicKey,
    // The inbox, and a reader each for log, context and image, twice while one is being replaced.
    subscriptions: 16,
    // A chunk of an object is at most 1 MiB with its headers; a log message tens of KiB.
    payloadBytes: 2 * MiB,
  });
}

/** The API calls of a reader of `stream`: last message of a subject, where the stream stands, and a pull consumer. */
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
 * A person who runs the installation, in CORE: sees all logs, states and lifecycle events, asks the services how they
 * are, reads streams, and asks the queue what `cb-admin` asks, under the operator's own name. Not a sandbox: whoever has it could use reply subjects within CORE to do harm, so it is for
 * people who are trusted with the installation. It does not see requests to the queue, which may carry a user's
 * registry login. The nats CLI needs `--inbox-prefix _INBOX.<public key>` for anything that expects an answer.
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

/** The queue, in CORE: everything in it. It makes the streams, answers everybody and holds the records. */
export function queuePermissions(): Rights {
  return { pub: {}, sub: {}, allowed_connection_types: ["STANDARD"] };
}

/** Administration of the server through SYS: pushes account JWTs (revocation), sees connections. */
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

/** An empty list of what is allowed would mean everything, so `publish` must not be empty. */
function rights(grant: Grant): Rights {
  return {
    pub: { allow: [...grant.publish] },
    sub: { allow: [`${inboxPrefix(grant.publicKey)}.>`, ...(grant.subscribe ?? [])] },
    subs: grant.subscriptions,
    payload: grant.payloadBytes,
    allowed_connection_types: ["STANDARD"],
  };
}
