/** The base images of the site's registries, asked in the users' name with the site's secrets. */
import type { Logger } from "pino";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Registry } from "../../oci/address.ts";
import { type ImageListing, listImages } from "../../oci/list-images.ts";
import type { ImagesReply, RegistryImages } from "../../protocol/images-messages.ts";

/** What a registry has not told by then is left out: a thousand repositories took 2.5 s on a loopback. */
const LIST_MS = 20_000;
/** Long enough that a class of forty asks a registry once, short enough that who pushes an image soon sees it. */
const KEPT_MS = 30_000;
/** Of all registries together: a message holds 4 MiB. */
const REPLY_MAX_BYTES = 3 * 1024 * 1024;
/** `{"repository":"","tags":[]},` and `"",`, rounded up. */
const IMAGE_BYTES = 32;
const TAG_BYTES = 4;
/** A line for people; the messages' own bound is 2000. */
const ERROR_MAX_CHARS = 500;

export interface ImagesOptions {
  readonly registries: readonly Registry[];
  readonly clock: Clock;
  readonly log: Logger;
}

export class Images {
  readonly #options: ImagesOptions;
  /** The fetch under way, or the last one. */
  #fetch: Promise<ImagesReply> | undefined;
  #limit = new AbortController();
  #keptUntilMs = Number.POSITIVE_INFINITY;

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  /** One fetch for all who ask during it and for `KEPT_MS` after. A registry that fails is part of the answer. */
  list(): Promise<ImagesReply> {
    const { clock } = this.#options;
    if (this.#fetch === undefined || clock.nowMs() >= this.#keptUntilMs) {
      this.#keptUntilMs = Number.POSITIVE_INFINITY;
      this.#fetch = this.#ask().finally(() => {
        this.#keptUntilMs = clock.nowMs() + KEPT_MS;
      });
    }
    return this.#fetch;
  }

  /** Whoever is asking learns that it was broken off. */
  stop(): void {
    this.#limit.abort(new Error("the queue stops"));
  }

  async #ask(): Promise<ImagesReply> {
    const limit = new AbortController();
    this.#limit = limit;
    const late = setTimeout(() => limit.abort(new Error(`not finished after ${LIST_MS / 1000} s`)), LIST_MS);
    try {
      const asked = this.#options.registries.map((registry) => this.#askOne(registry, limit.signal));
      return { v: 1, registries: await Promise.all(asked) };
    } finally {
      clearTimeout(late);
    }
  }

  async #askOne(registry: Registry, signal: AbortSignal): Promise<RegistryImages> {
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
      // It may quote the registry, and is printed on people's terminals.
      const reason = messageOf(error)
        .replace(/\p{Cc}/gu, "?")
        .slice(0, ERROR_MAX_CHARS);
      log.warn({ registry: host, reason }, "registry cannot be listed");
      return { host, images: [], truncated: false, error: reason };
    }
  }
}

/** As many images as fit, from the first on. */
export function withinBytes(
  { images, truncated }: Pick<ImageListing, "images" | "truncated">,
  maxBytes: number,
): Pick<RegistryImages, "images" | "truncated"> {
  let bytes = 0;
  const fits = images.findIndex(({ repository, tags }) => {
    bytes += IMAGE_BYTES + repository.length + tags.reduce((sum, tag) => sum + TAG_BYTES + tag.length, 0);
    return bytes > maxBytes;
  });
  const shown = fits === -1 ? images : images.slice(0, fits);
  return {
    images: shown.map(({ repository, tags }) => ({ repository, tags: [...tags] })),
    truncated: truncated || fits !== -1,
  };
}
