/** `admin.usage`: what each user has used in a month. */
import type { Clock } from "../../core/clock.ts";
import { USAGE_USERS_MAX, type UsageReply } from "../../protocol/usage-messages.ts";
import type { Usage } from "../users/usage.ts";
import { monthOf } from "../users/usage-record.ts";

/** The users with the most time of builders first. Throws CbError "infrastructure". */
export async function listUsage(
  { usage, clock }: { usage: Pick<Usage, "ofMonth">; clock: Clock },
  { month = monthOf(clock.nowMs()), user }: { month?: string | undefined; user?: string | undefined },
): Promise<UsageReply> {
  const records = [...(await usage.ofMonth(month))].filter(([name]) => user === undefined || name === user);
  const users = records.map(([name, record]) => {
    const { succeeded, failed, cancelled, lost, builderMs, imageBytes } = record;
    return { user: name, succeeded, failed, cancelled, lost, builderMs, imageBytes };
  });
  const sorted = users.sort((a, b) => b.builderMs - a.builderMs || (a.user < b.user ? -1 : 1));
  return { v: 1, month, users: sorted.slice(0, USAGE_USERS_MAX) };
}
