/** `queue.images.<user>`: the base images of the site's registries. Everything in it is for people. */
import * as v from "valibot";
import { count, line, version } from "./fields.ts";

export const imagesRequest = v.object({ v: version });

/** No registry may write to somebody's terminal: what is printed has no blanks and no control characters. */
const word = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,300}$/, "not a name"));

const registry = v.object({
  /** HOST or HOST:PORT, as a recipe's `From:` has it. */
  host: word,
  images: v.array(v.object({ repository: word, tags: v.array(word) })),
  /** The registry has more than is listed here. */
  truncated: v.boolean(),
  /** Repositories that the registry keeps from the queue's login, if there are any; they are not listed. */
  refused: v.optional(v.pipe(count, v.minValue(1))),
  /** Why it could not be asked; then there are no images. */
  error: v.optional(line),
});
export type RegistryImages = v.InferOutput<typeof registry>;

export const imagesReply = v.object({ v: version, registries: v.array(registry) });
export type ImagesReply = v.InferOutput<typeof imagesReply>;
