/** The output of cb-builds. Ages are relative to the queue's clock, which is in the reply. */
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import { duration, size } from "./progress.ts";
import { columnsOf, fit, padColumns } from "./width.ts";

const HEAD = ["ID", "STATE", "AGE", "TIME", "IMAGE", "SIZE", "KEPT FOR"];

/** ID and times of usual length, 36 + 9 + 6 + 6 + 9 + 8 with the gaps, leave this for a name on a terminal of 80 columns. */
const IMAGE_MIN_COLUMNS = 12;
const IMAGE = HEAD.indexOf("IMAGE");
const GAP = "  ";

/**
 * A table with one line for each build, the newest first. TIME is the build's duration, so far if it still runs. The names of the
 * images are cut, so that a line takes at most `columns`, but not below 12 columns. Without `columns` they are complete.
 */
export function buildsText({ nowMs, builds }: BuildsReply, columns = Number.POSITIVE_INFINITY): string {
  if (builds.length === 0) return "You have no builds.\n";
  const rows = [HEAD, ...builds.map((entry) => row(entry, nowMs))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => columnsOf(cells[column] ?? ""))));
  const others = widths.reduce((sum, width, column) => sum + (column === IMAGE ? 0 : width), 0);
  const imageColumns = Math.max(IMAGE_MIN_COLUMNS, columns - others - GAP.length * (HEAD.length - 1));
  widths[IMAGE] = Math.min(widths[IMAGE] ?? 0, imageColumns);
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => padColumns(fit(cell, widths[column] ?? 0), widths[column] ?? 0)).join(GAP);
  return rows.map((cells) => `${line(cells).trimEnd()}\n`).join("");
}

function row(entry: BuildEntry, nowMs: number): string[] {
  const { build, state, name, createdAtMs, leasedAtMs, endedAtMs, imageBytes, imageUntilMs } = entry;
  return [
    build,
    state,
    timeSpan(nowMs - createdAtMs),
    leasedAtMs === undefined ? "-" : timeSpan((endedAtMs ?? nowMs) - leasedAtMs),
    name === "" ? "-" : name,
    imageBytes === undefined ? "-" : size(imageBytes),
    imageUntilMs === undefined ? "-" : timeSpan(imageUntilMs - nowMs),
  ];
}

const timeSpan = (ms: number): string => duration(Math.max(0, ms));
