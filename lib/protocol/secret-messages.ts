/**
 * The secrets of a build: build secrets and logins for registries. They travel sealed, from the client to the queue and from the
 * queue to the agent of a lease; no message has them in plain text.
 */
import * as v from "valibot";
import type { BoxUse } from "../core/sealed-box.ts";
import { version } from "./fields.ts";

/** All secrets of one build together. BuildKit allows as much for one (500 KiB; solver/llbsolver, maxSecretSize). */
export const SECRETS_MAX_BYTES = 500 * 1024;
/** Build secrets, and logins, of one build: each is a file or a registry that the recipe names. */
export const SECRETS_MAX = 32;
/** A path of a registry, a name, a token: longer ones than cloud providers issue (4 kB). */
const LOGIN_MAX_BYTES = 16 * 1024;

/** A name is a file name below /run/secrets, and part of an argument of buildah with commas between its fields. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
export const isSecretName = (text: string): boolean => NAME.test(text);

const text = v.pipe(v.string(), v.maxBytes(LOGIN_MAX_BYTES));
const base64 = (maxBytes: number) => v.pipe(v.string(), v.maxLength(Math.ceil(maxBytes / 3) * 4), v.base64());

const login = v.object({
  /** HOST[:PORT], or HOST[:PORT]/PATH for the images below that path, as in containers-auth.json(5). */
  registry: v.pipe(text, v.minLength(1)),
  username: text,
  password: text,
  /** Instead of a password, for a token server. */
  identityToken: v.optional(text),
});
export type RegistryLogin = v.InferOutput<typeof login>;

const secret = v.object({
  id: v.pipe(v.string(), v.check(isSecretName, "not a name of a secret")),
  value: base64(SECRETS_MAX_BYTES),
});

/** The content of a box, as JSON. */
export const buildSecrets = v.object({
  v: version,
  secrets: v.pipe(v.array(secret), v.maxLength(SECRETS_MAX)),
  logins: v.pipe(v.array(login), v.maxLength(SECRETS_MAX)),
});
export type BuildSecrets = v.InferOutput<typeof buildSecrets>;

/** The content as JSON: base64 makes the secrets longer by a third; the rest is the longest logins. */
export const SECRETS_JSON_MAX_BYTES = Math.ceil((SECRETS_MAX_BYTES * 4) / 3) + 64 * 1024;

const base64url = (pattern: RegExp) => v.pipe(v.string(), v.regex(pattern, "not in base64url"));

/** The public key of a recipient, X25519. */
export const sealingKey = base64url(/^[A-Za-z0-9_-]{43}$/);

/** See lib/core/sealed-box.ts. */
export const sealedBox = v.object({
  keyId: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, "not the id of a key")),
  enc: sealingKey,
  text: v.pipe(
    v.string(),
    v.maxLength(Math.ceil(((SECRETS_JSON_MAX_BYTES + 16) * 4) / 3)),
    v.regex(/^[A-Za-z0-9_-]+$/, "not in base64url"),
  ),
});

/** From a client to the queue: a box of another user or another request does not open. */
export const forQueue = (user: string, request: string): BoxUse => ({
  purpose: "container-builder 1: the secrets of a build, for the queue",
  context: `${user} ${request}`,
});

interface LeaseOf {
  readonly build: string;
  readonly attempt: number;
  readonly builder: string;
}

const ofLease = (purpose: string, { build, attempt, builder }: LeaseOf): BoxUse => ({
  purpose: `container-builder 1: ${purpose}`,
  context: `${build} ${attempt} ${builder}`,
});

/** From the queue to the agent of one attempt: the user's secrets, and the site's logins. */
export const forBuilder = (lease: LeaseOf): BoxUse => ofLease("the secrets of a build, for its builder", lease);
export const siteLoginsForBuilder = (lease: LeaseOf): BoxUse => ofLease("the site's logins, for a builder", lease);
