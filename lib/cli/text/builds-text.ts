/** cb-builds's table. Pure: ages are counted from the queue's clock, which the reply carries. */
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import { duration, size } from "./progress.ts";

const HEAD = ["ID", "STATE", "AGE", "TIME", "IMAGE", "SIZE", "KEPT FOR"];

/** One line a build, the newest first, under a line of headings; TIME is what the build took, or has taken so far. */
export function buildsText({ nowMs, builds }: BuildsReply): string {
  if (builds.length === 0) return "You have no builds.\n";
  const rows = [HEAD, ...builds.map((entry) => row(entry, nowMs))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function row(entry: BuildEntry, nowMs: number): string[] {
  const { build, state, name, createdAtMs, leasedAtMs, endedAtMs, imageBytes, imageUntilMs } = entry;
  return [
    build,
    state,
    span(nowMs - createdAtMs),
    leasedAtMs === undefined ? "-" : span((endedAtMs ?? nowMs) - leasedAtMs),
    name === "" ? "-" : name,
    imageBytes === undefined ? "-" : size(imageBytes),
    imageUntilMs === undefined ? "-" : span(imageUntilMs - nowMs),
  ];
}

const span = (ms: number): string => duration(Math.max(0, ms));
