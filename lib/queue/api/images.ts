/** `queue.images.<user>`: the base images of the site's registries. The queue asks them with the site's logins. */
import type { Logger } from "pino";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Registry } from "../../oci/address.ts";
import { type ImageListing, listImages } from "../../oci/list-images.ts";
import type { ImagesReply, RegistryImages } from "../../protocol/images-messages.ts";

/** A listing ends after this time: a thousand repositories took 2.5 s on a loopback. */
const LIST_MS = 20_000;
/** Long enough that a class of forty users causes one listing, short enough that a new image is shown soon. */
const KEPT_MS = 30_000;
/** Of all registries together: the largest message has 4 MiB. */
const REPLY_MAX_BYTES = 3 * 1024 * 1024;
/** JSON around a repository and a tag: `{"repository":"","tags":[]},` and `"",`, rounded up. */
const IMAGE_BYTES = 32;
const TAG_BYTES = 4;
/** The message is one line on a terminal; the protocol's own bound is 2000. */
const ERROR_MAX_CHARS = 500;

export interface ImagesOptions {
  readonly registries: readonly Registry[];
  readonly clock: Clock;
  readonly log: Logger;
}

export class Images {
  readonly #options: ImagesOptions;
  /** The listing in progress, or the last one. */
  #listing: Promise<ImagesReply> | undefined;
  #abort = new AbortController();
  #keptUntilMs = Number.POSITIVE_INFINITY;

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  /**
   * All requests during a listing and for `KEPT_MS` after it get the same reply. Never rejects: the error of a registry is
   * part of the reply.
   */
  list(): Promise<ImagesReply> {
    const { clock } = this.#options;
    if (this.#listing === undefined || clock.nowMs() >= this.#keptUntilMs) {
      this.#keptUntilMs = Number.POSITIVE_INFINITY;
      this.#listing = this.#listAll().finally(() => {
        this.#keptUntilMs = clock.nowMs() + KEPT_MS;
      });
    }
    return this.#listing;
  }

  /** Aborts a listing in progress: its reply shows an error for each registry that has not replied yet. */
  stop(): void {
    this.#abort.abort(new Error("the queue stops"));
  }

  async #listAll(): Promise<ImagesReply> {
    const abort = new AbortController();
    this.#abort = abort;
    const timer = setTimeout(() => abort.abort(new Error(`not finished after ${LIST_MS / 1000} s`)), LIST_MS);
    try {
      const listings = this.#options.registries.map((registry) => this.#listOne(registry, abort.signal));
      return { v: 1, registries: await Promise.all(listings) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #listOne(registry: Registry, signal: AbortSignal): Promise<RegistryImages> {
    const { registries, log } = this.#options;
    const { host } = registry;
    try {
      const listing = await listImages(registry, signal);
      return {
        host,
        ...withinBytes(listing, REPLY_MAX_BYTES / registries.length),
        ...(listing.refused === 0 ? {} : { refused: listing.refused }),
      };
    } catch (error) {
      // The message may quote the registry, and clients print it on terminals: no control characters.
      const reason = messageOf(error)
        .replace(/\p{Cc}/gu, "?")
        .slice(0, ERROR_MAX_CHARS);
      log.warn({ registry: host, reason }, "registry cannot be listed");
      return { host, images: [], truncated: false, error: reason };
    }
  }
}

/** As many images as fit into that size, from the first on. */
export function withinBytes(
  { images, truncated }: Pick<ImageListing, "images" | "truncated">,
  maxBytes: number,
): Pick<RegistryImages, "images" | "truncated"> {
  let bytes = 0;
  const firstLeftOut = images.findIndex(({ repository, tags }) => {
    bytes += IMAGE_BYTES + repository.length + tags.reduce((sum, tag) => sum + TAG_BYTES + tag.length, 0);
    return bytes > maxBytes;
  });
  const shown = firstLeftOut === -1 ? images : images.slice(0, firstLeftOut);
  return {
    images: shown.map(({ repository, tags }) => ({ repository, tags: [...tags] })),
    truncated: truncated || firstLeftOut !== -1,
  };
}
