/** The output of `cb-admin usage`: a line for each user, and one for all. */
import type { UsageEntry, UsageReply } from "../../../protocol/usage-messages.ts";
import { size } from "../../text/progress.ts";
import { hours } from "../../text/quota-text.ts";
import { tableLines } from "../../text/table.ts";

const HEAD = ["USER", "BUILDS", "SUCCEEDED", "FAILED", "CANCELLED", "LOST", "HOURS", "IMAGES"];
/** A shorter name cannot be told from others. */
const USER_MIN_COLUMNS = 8;

/** HOURS is the time of builders, IMAGES the size of all images. */
export function usageText({ month, users }: UsageReply, columns = Number.POSITIVE_INFINITY): string {
  if (users.length === 0) return `No build ended in ${month}.\n`;
  const rows = [HEAD, ...users.map(row), ...(users.length === 1 ? [] : [row(sumOf(users))])];
  const lines = tableLines(rows, { flexible: 0, minColumns: USER_MIN_COLUMNS, columns });
  return [`${month} (UTC)`, ...lines].map((line) => `${line}\n`).join("");
}

function row({ user, succeeded, failed, cancelled, lost, builderMs, imageBytes }: UsageEntry): string[] {
  const counts = [succeeded + failed + cancelled + lost, succeeded, failed, cancelled, lost].map(String);
  return [user, ...counts, hours(builderMs), size(imageBytes)];
}

function sumOf(users: readonly UsageEntry[]): UsageEntry {
  const sum = (value: (entry: UsageEntry) => number) => users.reduce((total, entry) => total + value(entry), 0);
  return {
    user: "all",
    succeeded: sum((entry) => entry.succeeded),
    failed: sum((entry) => entry.failed),
    cancelled: sum((entry) => entry.cancelled),
    lost: sum((entry) => entry.lost),
    builderMs: sum((entry) => entry.builderMs),
    imageBytes: sum((entry) => entry.imageBytes),
  };
}
