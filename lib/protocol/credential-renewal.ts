/** The parts of `reserve` and `status` by which a user's credential is renewed while it is used. */
import * as v from "valibot";
import { jwt } from "./fields.ts";

/** In the request: the JWT of the caller's credential. It is no secret, because it is worth nothing without its seed. */
export const renewableCredential = { credential: v.optional(jwt) };

/**
 * In the reply: a JWT for the same key, when the queue would now sign it with another key or with other rights. The client stores it
 * in place of the old one. Other users can forge a reply, so the client first connects with it.
 */
export const renewedCredential = { renewedCredential: v.optional(jwt) };
