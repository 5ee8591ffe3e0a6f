/** The JWT of an account as the servers hold it: asked for and replaced through the account SYS. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { decode } from "../../protocol/codec.ts";
import { accountClaims } from "../../protocol/subjects.ts";

/** The server answers from its disk; another moment for a cluster that elects. */
const REPLY_MS = 5_000;

/** As nats-server 2.9 to 2.15 answer: one of `data` and `error`. */
const updateReply = v.object({
  data: v.optional(v.object({ code: v.number(), message: v.optional(v.string()) })),
  error: v.optional(v.object({ code: v.number(), description: v.optional(v.string()) })),
});

/** Throws CbError "unreachable" when no server answers, "config" when they know no such account. */
export async function lookUpAccount(sys: NatsConnection, account: string): Promise<string> {
  const { data } = await ask(sys, accountClaims.lookup(account), "");
  const jwt = Buffer.from(data).toString();
  if (jwt !== "") return jwt;
  throw new CbError("config", `NATS knows no account ${account}`, { hint: "is that JWT of this installation?" });
}

/**
 * Every server that can be reached takes it at once and tells the others: connections that it refuses are closed. Throws
 * CbError "unreachable" when no server answers, "config" when the first to answer refuses it.
 */
export async function pushAccount(sys: NatsConnection, jwt: string): Promise<void> {
  const { data } = await ask(sys, accountClaims.update, jwt);
  const { data: done, error } = decode(updateReply, data, "the server's answer to an account");
  if (done?.code === 200) return;
  throw new CbError("config", `NATS refuses the account's new JWT: ${error?.description ?? done?.message ?? "?"}`, {
    hint: "is that the key of this installation's operator?",
  });
}

async function ask(sys: NatsConnection, subject: string, body: string) {
  try {
    return await sys.request(subject, body, { timeout: REPLY_MS });
  } catch (cause) {
    throw new CbError("unreachable", `NATS does not answer on ${subject}: ${messageOf(cause)}`, {
      hint: "is that a credential of the account SYS?",
      cause,
    });
  }
}
