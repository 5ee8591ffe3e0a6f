/** One registry of the configuration, with its secret: made where the queue starts, and never sent or logged. */
export interface Registry {
  /** HOST or HOST:PORT, as a recipe's `From:` has it. */
  readonly host: string;
  /** Without TLS: only for a registry that the configuration marks so. */
  readonly plainHttp: boolean;
  readonly login?: RegistryLogin;
}

export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** `https://HOST[:PORT]`, which all requests of this registry begin with. */
export const originOf = ({ host, plainHttp }: Registry): string =>
  new URL(`${plainHttp ? "http" : "https"}://${host}`).origin;
