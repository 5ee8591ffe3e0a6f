/** Proves to the server that we hold a key, for nats.js. Its own authenticator signs with nkeys.js, which is slow. */
import type { Authenticator } from "nats";
import type { NKey } from "./nkey.ts";

/** The `authenticator` of nats.js' connect options: sends `jwt` and signs the server's nonce with `key`. */
export function authenticator(jwt: string, key: NKey): Authenticator {
  return (nonce) => ({
    jwt,
    nkey: key.publicKey,
    sig: key.sign(Buffer.from(nonce ?? "")).toString("base64url"),
  });
}
