/** Lists the streams of an account with what a backup needs to know of each. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import { callApi, type JetStreamAccess } from "../api.ts";

export interface ListedStream {
  readonly name: string;
  readonly bytes: number;
  readonly lastSeq: number;
  /** Time of the last message, RFC 3339 with nanoseconds, as the server prints it. */
  readonly lastTime: string;
  /** A sealed stream never changes again. */
  readonly isSealed: boolean;
  /** JetStream takes no snapshot of a stream in memory. */
  readonly isInMemory: boolean;
}

const pageSchema = v.object({
  total: v.number(),
  streams: v.nullish(
    v.array(
      v.object({
        config: v.object({ name: v.string(), storage: v.string(), sealed: v.optional(v.boolean(), false) }),
        state: v.object({ bytes: v.number(), last_seq: v.number(), last_ts: v.optional(v.string(), "") }),
      }),
    ),
    [],
  ),
  /** In a cluster: streams that did not answer in time. */
  missing: v.nullish(v.array(v.string()), []),
});

/** A server replies with 256 streams at once. 4000 pages are a million streams, far beyond what a server can hold. */
const PAGES_MAX = 4_000;

/** A cluster waits 4 s for the streams of its other servers. */
const REPLY_MS = 15_000;

/**
 * Throws StreamsNotListed when JetStream does not answer or does not list every stream, and CbError "denied" when the credential may
 * not list streams.
 */
export async function listStreams(js: JetStreamAccess): Promise<ListedStream[]> {
  const found: ListedStream[] = [];
  for (let page = 0; page < PAGES_MAX; page++) {
    const { total, streams, missing } = await pageFrom(js, found.length);
    if (missing.length > 0)
      throw new StreamsNotListed(`${missing.length} streams do not answer, among them ${missing[0]}`);
    found.push(
      ...streams.map(({ config, state }) => ({
        name: config.name,
        bytes: state.bytes,
        lastSeq: state.last_seq,
        lastTime: state.last_ts,
        isSealed: config.sealed,
        isInMemory: config.storage !== "file",
      })),
    );
    if (streams.length === 0 || found.length >= total) return found;
  }
  throw new StreamsNotListed("there are too many");
}

async function pageFrom(js: JetStreamAccess, offset: number) {
  const reply = await callApi(js, "STREAM.LIST", { offset }, REPLY_MS);
  if (reply.kind === "ok") return v.parse(pageSchema, reply.body);
  throw new StreamsNotListed(reply.kind === "silent" ? "JetStream does not answer" : reply.refusal.text);
}

/** JetStream does not answer, or not all of its servers. */
export class StreamsNotListed extends CbError {
  constructor(reason: string) {
    super("infrastructure", `the streams cannot be listed: ${reason}`, {
      hint: "is nats-server running with JetStream? in a cluster, are all of its servers up? try again",
    });
    this.name = "StreamsNotListed";
  }
}
