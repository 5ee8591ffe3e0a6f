/**
 * What a machine is given when it is made, and all that its agent ever needs to be told: where NATS is, and a
 * credential that is good for this builder's question alone. As JSON it must stay under USER_DATA_MAX_BYTES of a provider.
 */
import * as v from "valibot";
import { id } from "../protocol/fields.ts";

export const userData = v.object({
  v: v.literal(1),
  builder: id,
  nats: v.object({ url: v.string(), servername: v.optional(v.string()), ca: v.optional(v.string()) }),
  /** The text of a credential file. Secret, and worth nothing to anybody but this builder. */
  creds: v.string(),
});
export type UserData = v.InferOutput<typeof userData>;
