/** Reads and replaces the JWT of an account on the NATS servers, through the account SYS. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { decode } from "../../protocol/codec.ts";
import { accountClaims } from "../../protocol/subjects.ts";

/** Enough for a server that reads the JWT from its disk, and for a cluster that is electing a leader. */
const REPLY_MS = 5_000;

/** The reply of nats-server 2.9 to 2.15 has one of `data` and `error`. */
const updateReply = v.object({
  data: v.optional(v.object({ code: v.number(), message: v.optional(v.string()) })),
  error: v.optional(v.object({ code: v.number(), description: v.optional(v.string()) })),
});

/** Returns the account's JWT. Throws CbError "unreachable" when no server replies, "config" when no server knows the account. */
export async function lookUpAccount(sys: NatsConnection, account: string): Promise<string> {
  const { data } = await request(sys, accountClaims.lookup(account), "");
  const jwt = Buffer.from(data).toString();
  if (jwt !== "") return jwt;
  throw new CbError("config", `NATS knows no account ${account}`, {
    hint: "is the account of this installation?",
  });
}

/**
 * Sends the JWT to every reachable server. Each applies it at once, closes the connections of revoked keys, and passes it on to the
 * other servers. Throws CbError "unreachable" when no server replies, "config" when the first reply is a refusal.
 */
export async function pushAccount(sys: NatsConnection, jwt: string): Promise<void> {
  const { data } = await request(sys, accountClaims.update, jwt);
  const { data: result, error } = decode(updateReply, data, "the server's reply to an account JWT");
  if (result?.code === 200) return;
  throw new CbError("config", `NATS refuses the account's new JWT: ${error?.description ?? result?.message ?? "?"}`, {
    hint: "is the key that of this installation's operator?",
  });
}

async function request(sys: NatsConnection, subject: string, body: string) {
  try {
    return await sys.request(subject, body, { timeout: REPLY_MS });
  } catch (cause) {
    throw new CbError("unreachable", `NATS does not answer on ${subject}: ${messageOf(cause)}`, {
      hint: "is the credential one of the account SYS?",
      cause,
    });
  }
}
