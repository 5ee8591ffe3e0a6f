/** The image on its way into its place: of one attempt at a time, and what an attempt that was lost brought is taken away. */
import { rm } from "node:fs/promises";
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import type { BuildState } from "../../protocol/build-messages.ts";
import type { StoredObject } from "../../protocol/object-layout.ts";
import { fetchImage, type ImageTarget } from "./fetch-image.ts";

interface Fetching {
  readonly image: Promise<StoredObject>;
  readonly stop: AbortController;
}

export class ImageFetch {
  readonly #taker: ImageTarget;
  readonly #nc: NatsConnection;
  readonly #build: string;
  /** The last attempt that announced an image. */
  #attempt = -1;
  #fetching: Fetching | undefined;

  constructor(taker: ImageTarget, { nc, build }: { nc: NatsConnection; build: string }) {
    this.#taker = taker;
    this.#nc = nc;
    this.#build = build;
  }

  /** Begins to fetch. A builder announces its image once; one that does it again is not believed. */
  announced(state: Extract<BuildState, { state: "uploading" }>, attempt: number): void {
    if (attempt <= this.#attempt) return;
    this.#attempt = attempt;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#taker.interrupted, stop.signal]);
    const image = fetchImage(this.#taker, { nc: this.#nc, build: this.#build, announced: state, signal });
    // A fetch that fails is looked at when the build has ended: until then nobody awaits it.
    image.catch(() => undefined);
    this.#fetching = { image, stop };
  }

  /** What stands in its place is what the queue was told of. Throws what the fetch threw, or CbError "infrastructure". */
  async check(digest: string): Promise<void> {
    const stored = await this.#fetching?.image;
    if (stored?.digest === digest) return;
    const message =
      stored === undefined
        ? "the build succeeded without an image"
        : "the image does not match its announced size and digest";
    throw new CbError("infrastructure", message, { hint: "build again" });
  }

  /** Ends the fetch. Nothing of it stays, even if it was whole: nobody has said that it is the build's image. */
  async drop(): Promise<void> {
    const fetching = this.#fetching;
    this.#fetching = undefined;
    if (fetching === undefined) return;
    fetching.stop.abort();
    const inPlace = await fetching.image.then(
      () => true,
      () => false,
    );
    if (inPlace) await rm(this.#taker.imagePath, { force: true });
  }
}
