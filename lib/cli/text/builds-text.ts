/** The output of cb-builds. Ages are relative to the queue's clock, which is in the reply. */
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import { duration, size } from "./progress.ts";
import { columnsOf, fit, padColumns } from "./width.ts";

const HEAD = ["ID", "STATE", "AGE", "TIME", "IMAGE", "SIZE", "KEPT FOR"];

const IMAGE = HEAD.indexOf("IMAGE");
const GAP = "  ";
/** A shorter name cannot be told from others. */
const IMAGE_MIN_COLUMNS = 12;
/** The begin of an id that is shown where the whole id has no space. A program refuses it in the unlikely case that it fits two builds. */
const ID_CHARS = 8;

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
  const reasons = ["", ...builds.map(reasonText)];
  const isNarrow = imageSpace(rows, columns) < Math.min(IMAGE_MIN_COLUMNS, columnWidth(rows, IMAGE));
  const shown = isNarrow ? rows.map(([id = "", ...cells]) => [id.slice(0, ID_CHARS), ...cells]) : rows;
  const lines = table(shown, columns).map((line, at) => [
    line,
    ...(reasons[at] ? [fit(`  ${reasons[at]}`, columns)] : []),
  ]);
  return lines
    .flat()
    .map((line) => `${line}\n`)
    .join("");
}

/** For example "2 of 7, all 2 builders busy". */
function reasonText({ position, waiting, reason }: BuildEntry): string {
  const place =
    position === undefined ? [] : [waiting === undefined ? `position ${position}` : `${position} of ${waiting}`];
  return [...place, ...(reason === "" ? [] : [reason])].join(", ");
}

/** The states in the words of a user. */
export const BUILD_STATES = ["waiting", "running", "succeeded", "failed", "cancelled", "lost"] as const;

export const stateText = (state: BuildEntry["state"]): string => (state === "leased" ? "running" : state);

function table(rows: readonly (readonly string[])[], columns: number): string[] {
  const space = Math.max(IMAGE_MIN_COLUMNS, imageSpace(rows, columns));
  const widths = HEAD.map((_, column) => Math.min(columnWidth(rows, column), column === IMAGE ? space : Infinity));
  const padded = (cell: string, width = 0) => padColumns(fit(cell, width), width);
  const line = (cells: readonly string[]) => cells.map((cell, column) => padded(cell, widths[column])).join(GAP);
  return rows.map((cells) => line(cells).trimEnd());
}

const columnWidth = (rows: readonly (readonly string[])[], column: number): number =>
  Math.max(...rows.map((cells) => columnsOf(cells[column] ?? "")));

/** The columns that the other cells leave for the name of an image. */
function imageSpace(rows: readonly (readonly string[])[], columns: number): number {
  const others = HEAD.map((_, column) => (column === IMAGE ? 0 : columnWidth(rows, column)));
  return columns - others.reduce((sum, width) => sum + width, 0) - GAP.length * (HEAD.length - 1);
}

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

const timeSpan = (ms: number): string => duration(Math.max(0, ms));
