/** Reads a build's stream: its output and states in order, up to the final state. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import { guestAccess } from "../../nats/connection.ts";
import { callApi } from "../../nats/jetstream/api.ts";
import { type ReaderOptions, type StreamMessage, StreamReader } from "../../nats/jetstream/reader.ts";
import { finalError } from "../../nats/jetstream/stream-errors.ts";
import { type BuildState, buildState, isFinal } from "../../protocol/build-messages.ts";
import { decode } from "../../protocol/codec.ts";
import { buildFilter, buildStream, subjects } from "../../protocol/subjects.ts";

export type BuildEvent =
  | { readonly kind: "log"; readonly bytes: Uint8Array }
  /** `atMs`: when NATS stored it, by the clock of its host. */
  | { readonly kind: "state"; readonly state: BuildState; readonly atMs: number };

export interface FollowOptions {
  readonly build: string;
  /** True: skip the output from before this call. States are read from the first in any case. */
  readonly fromNow: boolean;
  /** True: end at the last message that is stored now. */
  readonly untilNow?: boolean;
  /** Ends the reading without an error. */
  readonly signal: AbortSignal;
  /** Called with the milliseconds since the last reply of NATS, and with 0 when it answers again. */
  readonly onWaiting: (silentMs: number) => void;
}

/** The stream is sealed, and it has no final state: a power failure took the last messages from the disk of NATS. */
export class LogCut extends CbError {
  readonly build: string;

  constructor(build: string) {
    super("infrastructure", `the log of build ${build} is cut: its last messages are missing`, {
      hint: "cb-builds shows how the build ended",
    });
    this.name = "LogCut";
    this.build = build;
  }
}

/**
 * Ends after the first final state and ignores all later messages. A state that cannot be decoded is skipped, because a hostile
 * builder can publish any bytes. Throws LogCut at the end of a sealed stream without a final state. Other errors as StreamReader and,
 * with `fromNow` or `untilNow`, as lastSequence.
 */
export async function* followBuild(nc: NatsConnection, options: FollowOptions): AsyncGenerator<BuildEvent> {
  const log = subjects.log(options.build);
  for await (const { subject, data, timestampMs: atMs } of messages(nc, options)) {
    if (subject === log) {
      yield { kind: "log", bytes: data };
      continue;
    }
    const state = readState(data);
    if (state === undefined) continue;
    yield { kind: "state", state, atMs };
    if (isFinal(state)) return;
  }
  if (!options.signal.aborted && !options.untilNow) throw new LogCut(options.build);
}

async function* messages(nc: NatsConnection, options: FollowOptions): AsyncGenerator<StreamMessage> {
  const { build, fromNow, untilNow, signal } = options;
  const nowSeq = fromNow || untilNow ? await lastSequence(nc, build) : 0;
  if (untilNow) {
    const stored = reader(nc, options, { filter: buildFilter(build), fromSeq: 1 });
    stored.stopAt(nowSeq);
    return yield* stored;
  }
  if (nowSeq > 0) {
    const states = reader(nc, options, { filter: subjects.state(build), fromSeq: 1 });
    states.stopWhenCaughtUp();
    for await (const message of states) if (message.seq <= nowSeq) yield message;
  }
  if (!signal.aborted) yield* untilSealed(nc, options, nowSeq + 1);
}

/**
 * Ends at the end of a sealed stream, and otherwise goes on. The queue seals a stream after the final state, so the reader asks
 * when it begins and after each outage: messages are lost in no other way.
 */
function untilSealed(nc: NatsConnection, options: FollowOptions, fromSeq: number): StreamReader {
  const check = async () => {
    const info = await streamInfo(nc, options.build).catch(() => undefined);
    if (info?.config.sealed === true) messages.stopAt(info.state.last_seq);
  };
  const messages: StreamReader = reader(nc, options, {
    filter: buildFilter(options.build),
    fromSeq,
    onOpened: () => void check(),
  });
  return messages;
}

function reader(
  nc: NatsConnection,
  { build, signal, onWaiting }: FollowOptions,
  part: Pick<ReaderOptions, "filter" | "fromSeq" | "onOpened">,
): StreamReader {
  return new StreamReader(guestAccess(nc), { stream: buildStream(build), signal, onWaiting, ...part });
}

const infoSchema = v.object({
  config: v.object({ sealed: v.optional(v.boolean(), false) }),
  state: v.object({ last_seq: v.number() }),
});

/** Undefined when NATS does not answer. Throws the error of finalError when it refuses. */
export async function streamInfo(nc: NatsConnection, build: string) {
  const stream = buildStream(build);
  const reply = await callApi(guestAccess(nc), `STREAM.INFO.${stream}`, {});
  const final = reply.kind === "refused" ? finalError(stream, reply.refusal) : undefined;
  if (final !== undefined) throw final;
  const info = reply.kind === "ok" ? v.safeParse(infoSchema, reply.body) : undefined;
  return info?.success ? info.output : undefined;
}

/** Throws CbError "unreachable" when NATS does not answer, and the error of finalError when it refuses. */
async function lastSequence(nc: NatsConnection, build: string): Promise<number> {
  const info = await streamInfo(nc, build);
  if (info !== undefined) return info.state.last_seq;
  throw new CbError("unreachable", `NATS does not answer a query about build ${build}`, { hint: "try again later" });
}

function readState(data: Uint8Array): BuildState | undefined {
  try {
    return decode(buildState, data, "state");
  } catch {
    return undefined;
  }
}
