/** `queue.images.<user>`: the base images of the site's registries, for display only. */
import * as v from "valibot";
import { count, line, version } from "./fields.ts";

export const imagesRequest = v.object({ v: version });

/** A name without blanks and control characters, because it is printed and the registry may be hostile. */
const word = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,300}$/, "not a name"));

const registry = v.object({
  /** HOST or HOST:PORT, as in `From:` of a recipe. */
  host: word,
  images: v.array(v.object({ repository: word, tags: v.array(word) })),
  /** The registry has more images than are listed here. */
  truncated: v.boolean(),
  /** How many repositories the registry refused to the queue's login. They are not listed. */
  refused: v.optional(v.pipe(count, v.minValue(1))),
  /** Why the registry could not be listed; `images` is then empty. */
  error: v.optional(line),
});
export type RegistryImages = v.InferOutput<typeof registry>;

export const imagesReply = v.object({ v: version, registries: v.array(registry) });
export type ImagesReply = v.InferOutput<typeof imagesReply>;
