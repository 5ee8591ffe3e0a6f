/** The key under which the queue finds a build with the same inputs again. Pure. */
import { createHash } from "node:crypto";

export interface BuildKeyParts {
  /** A part of the key, so that no user can get a build of another one, whatever digest it sends. */
  readonly user: string;
  /** As the client sent it. */
  readonly digest: string;
  /** Architecture of the chosen pool. */
  readonly arch: string;
  /** The site's compression, for builds that choose none. */
  readonly compression: string;
  /** Of the queue: builds of another version may differ. */
  readonly version: string;
}

/** SHA-256 in hex. The builder's image is compared apart, because it is not known before the lease. */
export const buildKey = ({ user, digest, arch, compression, version }: BuildKeyParts): string =>
  createHash("sha256")
    .update(JSON.stringify([user, digest, arch, compression, version]))
    .digest("hex");
