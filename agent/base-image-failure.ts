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

/** `no basic auth credentials`: of a registry without a token server. */
const REFUSED = /authentication required|unauthorized|denied|no basic auth credentials/i;

/** The registries that a recipe names, and those for which the build had a login, as in RegistryLogin. */
export interface RegistryAccess {
  readonly registries: readonly string[];
  readonly logins: readonly string[];
}

/** True when the last program ended because it could not fetch a base image. */
export const isBaseImageFailure = (output: string): boolean => output.match(LAST_ERROR) !== null;

/** The remedy for the user. Undefined when the build failed for another reason. */
export function baseImageFailure(output: string, access: RegistryAccess): string | undefined {
  const error = output.match(LAST_ERROR)?.at(-1);
  if (error === undefined) return undefined;
  return REFUSED.test(error) ? refusal(error, access) : REMEDIES.find(([pattern]) => pattern.test(error))?.[1];
}

function refusal(error: string, { registries, logins }: RegistryAccess): string {
  const registry = registries.find((one) => error.includes(one)) ?? registries[0] ?? "";
  const hasLogin = logins.some((one) => one === registry || one.startsWith(`${registry}/`));
  const shown = ["the registry", registry].filter(Boolean).join(" ");
  return hasLogin
    ? `${shown} refuses the base image to the login of this build; correct the login (docker login ${registry}), or the name of the image`
    : `${shown} refuses the base image without a login; log in (docker login ${registry}) or give --docker-login, or correct the name of the image`;
}
