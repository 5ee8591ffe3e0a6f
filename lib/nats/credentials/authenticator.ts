/** The authenticator for nats.js: proves possession of a key. The one in nats.js signs with nkeys.js, which is slow (nkey.ts). */
import type { Authenticator } from "nats";
import type { NKey } from "./nkey.ts";

/** For `authenticator` in the connect options of nats.js: sends `jwt` and signs the server's nonce with `key`. */
export function authenticator(jwt: string, key: NKey): Authenticator {
  return (nonce) => ({
    jwt,
    nkey: key.publicKey,
    sig: key.sign(Buffer.from(nonce ?? "")).toString("base64url"),
  });
}
