/** A build's stream as its caller reads it: output and states in order, up to the end. */
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
  | { readonly kind: "state"; readonly state: BuildState };

export interface FollowOptions {
  readonly build: string;
  /** True: output of before this call is left out; states are told from the first. */
  readonly fromNow: boolean;
  /** Ends the reading; nothing is thrown. */
  readonly signal: AbortSignal;
  /** As the reader has it: milliseconds without an answer of NATS, 0 when it answers again. */
  readonly onWaiting: (silentMs: number) => void;
}

/**
 * Ends after the first final state; what follows one is nobody's business. Throws what StreamReader and, with `fromNow`,
 * lastSequence throw. A state that
 * this program cannot read is passed over: it came from a builder, which may say what it likes.
 */
export async function* followBuild(nc: NatsConnection, options: FollowOptions): AsyncGenerator<BuildEvent> {
  const log = subjects.log(options.build);
  for await (const { subject, data } of messages(nc, options)) {
    if (subject === log) {
      yield { kind: "log", bytes: data };
      continue;
    }
    const state = readState(data);
    if (state === undefined) continue;
    yield { kind: "state", state };
    if (isFinal(state)) return;
  }
}

async function* messages(nc: NatsConnection, options: FollowOptions): AsyncGenerator<StreamMessage> {
  const { build, fromNow, signal } = options;
  const nowSeq = fromNow ? await lastSequence(nc, build) : 0;
  if (nowSeq > 0) {
    const states = reader(nc, options, { filter: subjects.state(build), fromSeq: 1 });
    states.stopWhenCaughtUp();
    for await (const message of states) if (message.seq <= nowSeq) yield message;
  }
  if (!signal.aborted) yield* reader(nc, options, { filter: buildFilter(build), fromSeq: nowSeq + 1 });
}

function reader(
  nc: NatsConnection,
  { build, signal, onWaiting }: FollowOptions,
  part: Pick<ReaderOptions, "filter" | "fromSeq">,
): StreamReader {
  return new StreamReader(guestAccess(nc), { stream: buildStream(build), signal, onWaiting, ...part });
}

const infoSchema = v.object({ state: v.object({ last_seq: v.number() }) });

/** Throws CbError "unreachable" when NATS does not answer, and what finalError makes of a refusal. */
async function lastSequence(nc: NatsConnection, build: string): Promise<number> {
  const stream = buildStream(build);
  const answer = await callApi(guestAccess(nc), `STREAM.INFO.${stream}`, {});
  const final = answer.kind === "refused" ? finalError(stream, answer.refusal) : undefined;
  if (final !== undefined) throw final;
  const info = answer.kind === "ok" ? v.safeParse(infoSchema, answer.body) : undefined;
  if (info?.success) return info.output.state.last_seq;
  throw new CbError("unreachable", `NATS does not answer about build ${build}`, { hint: "try again later" });
}

function readState(data: Uint8Array): BuildState | undefined {
  try {
    return decode(buildState, data, "state");
  } catch {
    return undefined;
  }
}
