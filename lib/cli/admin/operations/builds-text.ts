/** The output of `cb-admin builds`: the builds of all users. Ages are relative to the queue's clock, which is in the reply. */
import type { AdminBuild, AdminBuildsReply } from "../../../protocol/admin-builds-messages.ts";
import { SHORT_ID_CHARS } from "../../short-id.ts";
import { IMAGE_MIN_COLUMNS, reasonText, stateText, timeSpan, withReasons } from "../../text/builds-text.ts";
import { tableLines } from "../../text/table.ts";
import { fit } from "../../text/width.ts";

const HEAD = ["ID", "USER", "STATE", "AGE", "TIME", "BUILDER", "IMAGE"];
/** A longer name of a user leaves no space for the image in 80 columns. */
const USER_COLUMNS = 16;

/**
 * One line for each build, the newest first, and below it position and reason, if it has them. TIME is the build's duration, so
 * far if it still runs. Names are cut to `columns`; ids always are: --json has whole ones.
 */
export function adminBuildsText(
  { nowMs, total, builds }: AdminBuildsReply,
  columns = Number.POSITIVE_INFINITY,
): string {
  if (total === 0) return "No build matches.\n";
  const rows = [HEAD, ...builds.map((build) => row(build, nowMs, columns))];
  const layout = { flexible: HEAD.indexOf("IMAGE"), minColumns: IMAGE_MIN_COLUMNS, columns };
  const text = withReasons(tableLines(rows, layout), builds.map(reasonText), columns);
  const more = total - builds.length;
  return more === 0 ? text : `${text}${more} older ${more === 1 ? "build is" : "builds are"} not shown: -n NUMBER\n`;
}

function row(
  { build, user, state, createdAtMs, leasedAtMs, endedAtMs, builder, name }: AdminBuild,
  nowMs: number,
  columns: number,
): string[] {
  return [
    build.slice(0, SHORT_ID_CHARS),
    columns === Number.POSITIVE_INFINITY ? user : fit(user, USER_COLUMNS),
    stateText(state),
    timeSpan(nowMs - createdAtMs),
    leasedAtMs === undefined ? "-" : timeSpan((endedAtMs ?? nowMs) - leasedAtMs),
    builder?.slice(0, SHORT_ID_CHARS) ?? "-",
    name === "" ? "-" : name,
  ];
}
