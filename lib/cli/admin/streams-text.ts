/** The output of `cb-admin streams`: the builds that have streams and no record. */

import type { StreamsReply } from "../../protocol/admin-messages.ts";
import { size } from "../text/progress.ts";
import { ageText } from "./builders-text.ts";

/** Ends with a line break. */
export function streamsText({ builds, total, nowMs }: StreamsReply): string {
  if (total === 0) return "every build that has streams has a record\n";
  const bytes = builds.reduce((sum, build) => sum + build.bytes, 0);
  return [
    `${countText(total)} with streams and without a record, ${size(bytes)}:`,
    ...builds.flatMap(({ build, createdAtMs, problem, ...content }) => [
      `${build}  ${createdAtMs === 0 ? "age unknown" : ageText(createdAtMs, nowMs)}  ${size(content.bytes)}`,
      ...(problem === "" ? [] : [`    ${problem}`]),
    ]),
    ...(total > builds.length ? [`and ${total - builds.length} more`] : []),
    "Were the records lost? Restore them from a backup while no queue runs,",
    "or delete the streams:",
    "  cb-admin streams delete ID... or --all",
  ]
    .map((line) => `${line}\n`)
    .join("");
}

export const countText = (builds: number): string => (builds === 1 ? "1 build" : `${builds} builds`);
