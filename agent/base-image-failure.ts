/** Why a base image did not come, in words for whoever wrote the recipe: apptainer and buildah have Go's words for programmers. */

/** The error with which either ends is among the last few lines that it prints. */
const LAST_BYTES = 4096;

/** What was printed last, however much that was. */
export class LastOutput {
  #bytes: Buffer = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
  }

  text(): string {
    return this.#bytes.toString("utf8");
  }
}

/** Only of the programs' own last error: a script in %post may fail with the same words. */
const LAST_ERROR = /(?:FATAL:|Error:)(?=[^\n]*(?:conveyor failed|creating build container|initializing source))[^\n]*/g;

const TROUBLES: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /server gave HTTP response to HTTPS client/,
    "the registry has no TLS; the operator can allow that, with plainHttp in the queue's configuration",
  ],
  [
    /authentication required|unauthorized|denied/,
    "the registry refuses the base image; builders have no login, so name one that needs none, or correct its name",
  ],
  [
    /certificate/,
    "the registry's certificate is not trusted on the builder; the operator can add its CA to the builder image",
  ],
  [/could not parse reference|invalid reference/, "no image can have this name; correct it in the recipe"],
  [
    /manifest unknown|not found/,
    "the registry has no such image; correct its name or tag (cb-images shows the site's)",
  ],
  [
    /dial tcp|i\/o timeout|no such host|EOF|connection reset/,
    "the builder cannot reach the registry; correct its name in the recipe, or try later if it is down",
  ],
];

/** Undefined when the build failed of something else. */
export function baseImageFailure(output: string): string | undefined {
  const error = output.match(LAST_ERROR)?.at(-1);
  return error === undefined ? undefined : TROUBLES.find(([pattern]) => pattern.test(error))?.[1];
}
