/**
 * The credential of a build for the cache of its user's Dockerfile layers. The queue signs it for one attempt, cb-registry checks it. It
 * names one repository by user and architecture, so no two users share one, and no build can name another.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { architecture, count, id, userName, version } from "../../protocol/fields.ts";

const layersGrant = v.strictObject({
  v: version,
  user: userName,
  /** The architecture of the image: buildah's key of a layer does not contain it. */
  arch: architecture,
  build: id,
  /** Milliseconds since 1970. */
  expiresAtMs: count,
});
export type LayersGrant = v.InferOutput<typeof layersGrant>;

/** The name in the login of a build. The token is its password. */
export const LAYERS_LOGIN = "build";

/** Longer than any token: of the longest names about 500 bytes. */
const TOKEN_MAX_BYTES = 1024;
/** The signing key signs NATS JWTs too, which begin with "eyJ": a signature of one kind is none of the other. */
const signed = (payload: string): Buffer => Buffer.from(`container-builder layers 1\n${payload}`);

/** A user's repository on the registry of layers. A digest, because a user name may have forms that no repository may have. */
export const layersRepository = ({ user: name, arch }: Pick<LayersGrant, "user" | "arch">): string =>
  `layers/${createHash("sha256").update(name).digest("hex")}/${arch}`;

/** `sign`: Ed25519. The token is secret. */
export function layersToken(grant: Omit<LayersGrant, "v">, sign: (data: Uint8Array) => Buffer): string {
  const payload = Buffer.from(JSON.stringify({ v: 1, ...grant } satisfies LayersGrant)).toString("base64url");
  return `${payload}.${sign(signed(payload)).toString("base64url")}`;
}

export interface TokenCheck {
  readonly isSigned: (data: Uint8Array, signature: Uint8Array) => boolean;
  readonly nowMs: number;
}

/** Undefined for a token that is malformed, of another signer, or expired. */
export function grantIn(token: string, { isSigned, nowMs }: TokenCheck): LayersGrant | undefined {
  const [, payload, signature] = (token.length <= TOKEN_MAX_BYTES && /^([\w-]+)\.([\w-]{86})$/.exec(token)) || [];
  if (payload === undefined || signature === undefined) return undefined;
  if (!isSigned(signed(payload), Buffer.from(signature, "base64url"))) return undefined;
  // Only the signer's own text is parsed.
  const { success, output } = v.safeParse(layersGrant, JSON.parse(Buffer.from(payload, "base64url").toString()));
  return success && nowMs < output.expiresAtMs ? output : undefined;
}
