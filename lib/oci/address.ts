/**
 * A configured registry. cb-queue reads it at its start. The login is never logged, and is sent only to the registry and its token
 * server.
 */
export interface Registry {
  /** HOST or HOST:PORT, as in the `From:` of a recipe. */
  readonly host: string;
  /** True for a registry that the configuration marks as plain HTTP: no TLS. */
  readonly plainHttp: boolean;
  readonly login?: RegistryLogin;
}

export interface RegistryLogin {
  readonly username: string;
  /** Secret. */
  readonly password: string;
}

/** `https://HOST[:PORT]`, the start of every request URL of this registry. */
export const originOf = ({ host, plainHttp }: Registry): string =>
  new URL(`${plainHttp ? "http" : "https"}://${host}`).origin;
