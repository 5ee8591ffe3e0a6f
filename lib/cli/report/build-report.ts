/**
 * Collects how one build went, as the client sees it: id, builder, times, the end of the output, the image. The summary, the file of
 * `--metadata-file` and the last event of `--progress json` are made from it.
 */
import type { BuildState, SameBuildReply } from "../../protocol/build-messages.ts";
import type { BuildTimes, StoredImage } from "./build-metadata.ts";
import type { ProgressEvent } from "./progress-event.ts";

/** Enough for the last lines of apptainer and buildah, and for the lines of the recipe's program before them. */
const TAIL_BYTES = 16 * 1024;

/** A person who watches a bar in another program needs no more. */
const TRANSFER_INTERVAL_MS = 1_000;

export class BuildReport {
  readonly #emit: ((event: ProgressEvent) => void) | undefined;
  readonly #startedAtMs = Date.now();
  #build: string | undefined;
  #shared: SameBuildReply | undefined;
  #state: BuildState["state"] | undefined;
  #builder: { id: string; host: string; attempt: number } | undefined;
  /** By the clock of NATS, so that they are right for a build that is watched again later. */
  #at: { first?: number; leased?: number; built?: number } = {};
  #transferBeganMs: number | undefined;
  #transferredMs: number | undefined;
  #image: StoredImage | undefined;
  /** The parts that have the last TAIL_BYTES of the output. */
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #isDetached = false;
  #transferShownMs = Number.NEGATIVE_INFINITY;

  /** `emit` receives each event at once. */
  constructor(emit?: (event: ProgressEvent) => void) {
    this.#emit = emit;
  }

  get build(): string | undefined {
    return this.#build;
  }

  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  /** The last state that the build was in. */
  get state(): BuildState["state"] | undefined {
    return this.#state;
  }

  get builder(): { id: string; host: string; attempt: number } | undefined {
    return this.#builder;
  }

  get image(): StoredImage | undefined {
    return this.#image;
  }

  /** The end of the output of the last attempt. */
  get tail(): string {
    return Buffer.concat(this.#tail).subarray(-TAIL_BYTES).toString("utf8");
  }

  get times(): BuildTimes {
    // Of an earlier build these are not times of this call.
    const { first, leased, built } = this.#shared?.state === "succeeded" ? {} : this.#at;
    return {
      ...span("waitedMs", first, leased),
      ...span("builtMs", leased, built),
      ...(this.#transferredMs === undefined ? {} : { transferredMs: this.#transferredMs }),
    };
  }

  /** The program ends and the build goes on. */
  get isDetached(): boolean {
    return this.#isDetached;
  }

  detach(): void {
    this.#isDetached = true;
  }

  /** The earlier build that this call was given; undefined for one of its own. */
  get shared(): SameBuildReply | undefined {
    return this.#shared;
  }

  /** Called again when an earlier build could not be used. */
  reserved(build: string, shared?: SameBuildReply): void {
    this.#build = build;
    this.#shared = shared;
    this.#state = undefined;
    this.#builder = undefined;
    this.#at = {};
    const same = shared === undefined ? {} : { same: { state: shared.state, ageMs: shared.ageMs } };
    this.#emit?.({ v: 1, event: "reserved", build, ...same });
  }

  /** Called for each message of the log, so it neither copies nor encodes bytes that nothing needs. */
  output(bytes: Uint8Array): void {
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    for (let [first] = this.#tail; first && this.#tailBytes - first.length >= TAIL_BYTES; [first] = this.#tail) {
      this.#tail.shift();
      this.#tailBytes -= first.length;
    }
    this.#emit?.({ v: 1, event: "output", data: Buffer.from(bytes).toString("base64") });
  }

  /** `atMs`: when NATS stored it. */
  changed(state: BuildState, atMs: number): void {
    this.#state = state.state;
    this.#at.first ??= atMs;
    if (state.state === "leased") this.#leased(state, atMs);
    else if (state.state !== "queued" && state.state !== "building") this.#at.built ??= atMs;
    if (state.state === "uploading") this.#transferBeganMs ??= performance.now();
    const { v, ...rest } = state;
    this.#emit?.({ v, event: "state", ...rest, atMs });
  }

  #leased({ builder: id, host, attempt }: Extract<BuildState, { state: "leased" }>, atMs: number): void {
    // The queue may publish a lease twice.
    if (attempt === this.#builder?.attempt) return;
    this.#builder = { id, host, attempt };
    const { first = atMs } = this.#at;
    this.#at = { first, leased: atMs };
    this.#transferBeganMs = undefined;
    this.#tail = [];
    this.#tailBytes = 0;
  }

  /** Emits an event a second. */
  transfer(doneBytes: number, totalBytes: number): void {
    const now = performance.now();
    if (now - this.#transferShownMs < TRANSFER_INTERVAL_MS) return;
    this.#transferShownMs = now;
    this.#emit?.({ v: 1, event: "transfer", doneBytes, totalBytes });
  }

  placed(image: StoredImage): void {
    this.#image = image;
    if (this.#transferBeganMs !== undefined)
      this.#transferredMs = Math.round(performance.now() - this.#transferBeganMs);
  }
}

/** The clock of NATS may be set back meanwhile. */
function span(name: keyof BuildTimes, from: number | undefined, to: number | undefined): BuildTimes {
  return from === undefined || to === undefined ? {} : { [name]: Math.max(0, to - from) };
}
