/**
 * The events of `--progress json` and `cb-logs --json`: one JSON object a line, described in docs/json.md. As with buildx
 * (`--progress rawjson`) all of them, the build's output too, go to one stream in their order.
 */
import type { BuildState } from "../../protocol/build-messages.ts";
import type { BuildMetadata } from "./build-metadata.ts";

type Numbered<State> = State extends { v: 1 } ? Omit<State, "v"> : never;

export type ProgressEvent =
  /** A line that `--progress plain` prints: a step, a note, an outage. */
  | { readonly v: 1; readonly event: "message"; readonly text: string }
  | { readonly v: 1; readonly event: "reserved"; readonly build: string; readonly same?: BuildMetadata["same"] }
  /** A state of docs/protocol.md, with the time at which NATS stored it. */
  | ({ readonly v: 1; readonly event: "state"; readonly atMs: number } & Numbered<BuildState>)
  /** Bytes of the build's output in base64: they need not be UTF-8. */
  | { readonly v: 1; readonly event: "output"; readonly data: string }
  | { readonly v: 1; readonly event: "transfer"; readonly doneBytes: number; readonly totalBytes: number }
  /** The last event. */
  | ({ readonly event: "ended" } & BuildMetadata);

/** Writes each event as one line. */
export const eventWriter =
  (write: (line: string) => unknown) =>
  (event: ProgressEvent): void =>
    void write(`${JSON.stringify(event)}\n`);

/** An output for Steps, which writes whole lines to it: each becomes a `message`. */
export const messageOutput = (emit: (event: ProgressEvent) => void) => ({
  write: (line: string): void => emit({ v: 1, event: "message", text: line.trimEnd() }),
});
