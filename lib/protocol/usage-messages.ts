/** `admin.usage.<operator>`: what each user has used in a month. */
import * as v from "valibot";
import { count, line, userName, version } from "./fields.ts";

const month = v.pipe(v.string(), v.regex(/^\d{4}-(0[1-9]|1[0-2])$/, "not a month such as 2026-11"));

/** A month of a calendar year (UTC); absent: the running one. */
export const usageRequest = v.object({ v: version, month: v.optional(month), user: v.optional(userName) });

const entry = v.object({
  user: line,
  /** Builds that ended in that month, by outcome. */
  succeeded: count,
  failed: count,
  cancelled: count,
  lost: count,
  builderMs: count,
  imageBytes: count,
});
export type UsageEntry = v.InferOutput<typeof entry>;

/** A reply lists so many users, those with the most time of builders first: 2 MB. */
export const USAGE_USERS_MAX = 10_000;
export const usageReply = v.object({ v: version, month: line, users: v.array(entry) });
export type UsageReply = v.InferOutput<typeof usageReply>;
