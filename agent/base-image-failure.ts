/** Explains to the user why a base image could not be fetched; apptainer and buildah print only the Go error. */

/** Both programs print their final error among their last few lines. */
const LAST_BYTES = 4096;

/** Keeps the last 4096 bytes of a build's output. */
export class LastOutput {
  #bytes: Buffer = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
  }

  text(): string {
    return this.#bytes.toString("utf8");
  }
}

/** Matches only the final error of apptainer or buildah itself: a script in %post may fail with the same message. */
const LAST_ERROR = /(?:FATAL:|Error:)(?=[^\n]*(?:conveyor failed|creating build container|initializing source))[^\n]*/g;

const REMEDIES: readonly (readonly [error: RegExp, remedy: string])[] = [
  [
    /server gave HTTP response to HTTPS client/,
    "the registry has no TLS; an operator can allow that with plainHttp in the queue's configuration",
  ],
  [
    /authentication required|unauthorized|denied/,
    "the registry refuses the base image; builders have no login, so name an image that needs none, or correct its name",
  ],
  [
    /certificate/,
    "the builder does not trust the registry's certificate; an operator can add its CA to the builder image",
  ],
  [/could not parse reference|invalid reference/, "the name of the base image is not valid; correct it in the recipe"],
  [
    /manifest unknown|not found/,
    "the registry has no such image; correct its name or tag (cb-images lists the images of the site)",
  ],
  [
    /dial tcp|i\/o timeout|no such host|EOF|connection reset/,
    "the builder cannot reach the registry; correct its name in the recipe, or try later if it is down",
  ],
];

/** The remedy for the user. Undefined when the build failed for another reason. */
export function baseImageFailure(output: string): string | undefined {
  const error = output.match(LAST_ERROR)?.at(-1);
  return error === undefined ? undefined : REMEDIES.find(([pattern]) => pattern.test(error))?.[1];
}
