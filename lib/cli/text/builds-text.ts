/** The output of cb-builds. Ages are relative to the queue's clock, which is in the reply. */
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import { duration, size } from "./progress.ts";

const HEAD = ["ID", "STATE", "AGE", "TIME", "IMAGE", "SIZE", "KEPT FOR"];

/** A table with one line for each build, the newest first. TIME is the build's duration, so far if it still runs. */
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
    timeSpan(nowMs - createdAtMs),
    leasedAtMs === undefined ? "-" : timeSpan((endedAtMs ?? nowMs) - leasedAtMs),
    name === "" ? "-" : name,
    imageBytes === undefined ? "-" : size(imageBytes),
    imageUntilMs === undefined ? "-" : timeSpan(imageUntilMs - nowMs),
  ];
}

const timeSpan = (ms: number): string => duration(Math.max(0, ms));
