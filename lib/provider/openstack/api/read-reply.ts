/** Checks the body of a reply against the schema of the expected one. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { JsonReply } from "../../../core/http-json.ts";

/** `expected` is for the message: "a listing of servers". Throws CbError "infrastructure" naming the field that differs. */
export function readReply<Output>(
  schema: v.GenericSchema<unknown, Output>,
  { body }: JsonReply,
  expected: string,
): Output {
  const parsed = v.safeParse(schema, body, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const path = v.getDotPath(parsed.issues[0]) ?? "the whole reply";
  throw new CbError("infrastructure", `the cloud's reply is not ${expected}: ${path}`);
}
