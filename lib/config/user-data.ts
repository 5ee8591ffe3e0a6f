/**
 * The user data that a machine is created with. It is all that the agent needs: the NATS address, and a credential that permits
 * only this builder's own request. As JSON it must stay under the provider's USER_DATA_MAX_BYTES.
 */
import * as v from "valibot";
import { id } from "../protocol/fields.ts";

export const userData = v.object({
  v: v.literal(1),
  builder: id,
  nats: v.object({ url: v.string(), servername: v.optional(v.string()), ca: v.optional(v.string()) }),
  /** The text of a credential file. Secret, but it permits nothing beyond this builder's request. */
  creds: v.string(),
});
export type UserData = v.InferOutput<typeof userData>;
