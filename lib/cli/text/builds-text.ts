/** The output of cb-builds. Ages are relative to the queue's clock, which is in the reply. */
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import { SHORT_ID_CHARS } from "../short-id.ts";
import { duration, size } from "./progress.ts";
import { hasSpace, tableLines } from "./table.ts";
import { fit } from "./width.ts";

const HEAD = ["ID", "STATE", "AGE", "TIME", "IMAGE", "SIZE", "KEPT FOR"];

const IMAGE = HEAD.indexOf("IMAGE");
/** A shorter name cannot be told from others. */
export const IMAGE_MIN_COLUMNS = 12;

/**
 * A table with one line for each build, the newest first, and below it position and reason, if it has them. TIME is the build's
 * duration, so far if it still runs. A line takes at most `columns`, from 80 on: the names of the images are cut, and on a narrow
 * terminal the ids. Without `columns` all is complete. `states`: the ones that were selected, for the text of an empty list.
 */
export function buildsText(
  { nowMs, builds }: BuildsReply,
  columns = Number.POSITIVE_INFINITY,
  states: readonly string[] = [],
): string {
  if (builds.length === 0 && states.length > 0) return `No build is ${states.join(" or ")}.\n`;
  if (builds.length === 0) return "You have no builds.\n";
  const rows = [HEAD, ...builds.map((entry) => row(entry, nowMs))];
  const layout = { flexible: IMAGE, minColumns: IMAGE_MIN_COLUMNS, columns };
  const shown = hasSpace(rows, layout)
    ? rows
    : rows.map(([id = "", ...cells]) => [id.slice(0, SHORT_ID_CHARS), ...cells]);
  return withReasons(tableLines(shown, layout), builds.map(reasonText), columns);
}

/** The lines of a table, the head first, and below each row its reason, if it has one. */
export function withReasons(
  [head = "", ...lines]: readonly string[],
  reasons: readonly string[],
  columns: number,
): string {
  const rows = lines.flatMap((line, at) => [line, ...(reasons[at] ? [fit(`  ${reasons[at]}`, columns)] : [])]);
  return [head, ...rows].map((line) => `${line}\n`).join("");
}

/** For example "2 of 7, all 2 builders busy". */
export function reasonText({ position, waiting, reason }: BuildEntry): string {
  const place =
    position === undefined ? [] : [waiting === undefined ? `position ${position}` : `${position} of ${waiting}`];
  return [...place, ...(reason === "" ? [] : [reason])].join(", ");
}

/** The states in the words of a user. */
export const BUILD_STATES = ["waiting", "running", "succeeded", "failed", "cancelled", "lost"] as const;

export const stateText = (state: BuildEntry["state"]): string => (state === "leased" ? "running" : state);

function row(entry: BuildEntry, nowMs: number): string[] {
  const { build, state, name, createdAtMs, leasedAtMs, endedAtMs, imageBytes, imageUntilMs } = entry;
  return [
    build,
    stateText(state),
    timeSpan(nowMs - createdAtMs),
    leasedAtMs === undefined ? "-" : timeSpan((endedAtMs ?? nowMs) - leasedAtMs),
    name === "" ? "-" : name,
    imageBytes === undefined ? "-" : size(imageBytes),
    imageUntilMs === undefined ? "-" : timeSpan(imageUntilMs - nowMs),
  ];
}

export const timeSpan = (ms: number): string => duration(Math.max(0, ms));
