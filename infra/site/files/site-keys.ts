/** The keys, JWTs and certificates that the files of a site hold. */

export interface CertificatePair {
  /** PEM, the server's certificate first. */
  readonly cert: string;
  /** PEM. Secret. */
  readonly key: string;
}

export interface SiteKeys {
  readonly operatorJwt: string;
  /** Public key and JWT of SYS, CORE and GUEST, in this order. */
  readonly accounts: readonly { readonly id: string; readonly jwt: string }[];
  /** Public key of GUEST. */
  readonly guest: string;
  readonly guestJwt: string;
  /** The CA of the servers' certificate, as PEM. */
  readonly ca: string;
  readonly server: CertificatePair;
  /** The installation's own CA, as PEM. It signs the routes, also where another CA signs the servers' certificate. */
  readonly routeCa: string;
  /** By host. Empty for a single host. */
  readonly routes: ReadonlyMap<string, CertificatePair>;
  /** The text of a credential file. Secret. */
  readonly queueCreds: string;
  /** The text of the credential that takes snapshots of the streams. Secret. */
  readonly backupCreds: string;
  /** The seed of GUEST's signing key. Secret. */
  readonly guestSigningSeed: string;
  /** The key that users seal their secrets to: its file, which is secret, and the public key for clients. */
  readonly sealingKeyPem: string;
  readonly sealingKey: string;
  /** A clouds.yaml with the login of cb-queue, where the site has builders in a cloud. Secret. */
  readonly cloudLogin?: string | undefined;
  /** Credential files by operator. Secret. */
  readonly operators: ReadonlyMap<string, string>;
}
