/** A build's stream as its caller reads it: output and states in order, up to the end. */
import type { NatsConnection } from "nats";
import { type BuildState, buildState, isFinal } from "../bus/build-messages.ts";
import { decode } from "../bus/codec.ts";
import { guestAccess } from "../bus/connect.ts";
import { buildFilter, buildStream, subjects } from "../bus/names.ts";
import { StreamReader } from "../bus/reader.ts";

export type BuildEvent =
  | { readonly kind: "log"; readonly bytes: Uint8Array }
  | { readonly kind: "state"; readonly state: BuildState };

export interface FollowOptions {
  readonly build: string;
  /** Ends the reading; nothing is thrown. */
  readonly signal: AbortSignal;
  /** As the reader has it: milliseconds without an answer of NATS, 0 when it answers again. */
  readonly onWaiting: (silentMs: number) => void;
}

/**
 * Ends after the first final state; what follows one is nobody's business. Throws what StreamReader throws. A state that
 * this program cannot read is passed over: it came from a builder, which may say what it likes.
 */
export async function* followBuild(nc: NatsConnection, options: FollowOptions): AsyncGenerator<BuildEvent> {
  const { build, signal, onWaiting } = options;
  const log = subjects.log(build);
  const reader = new StreamReader(guestAccess(nc), {
    stream: buildStream(build),
    filter: buildFilter(build),
    signal,
    onWaiting,
  });
  for await (const { subject, data } of reader) {
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

function readState(data: Uint8Array): BuildState | undefined {
  try {
    return decode(buildState, data, "state");
  } catch {
    return undefined;
  }
}
