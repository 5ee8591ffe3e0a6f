/** The output of `cb-admin site check`. */
import { tableText } from "../../../lib/cli/text/table.ts";
import type { Connection } from "./check-connections.ts";
import { daysLeft, type SiteReport } from "./check-site.ts";

/** Ends with a line break. */
export function checkText({ folder, nowMs, lifetimes, faults, hasOffline, connections }: SiteReport): string {
  const rows = lifetimes.map(({ path, endsAtMs }) =>
    endsAtMs === undefined
      ? [path, "-", "does not end"]
      : [path, new Date(endsAtMs).toISOString().slice(0, 10), String(daysLeft(endsAtMs, nowMs))],
  );
  return [
    tableText([["FILE", "ENDS", "DAYS LEFT"], ...rows]),
    ...(connections === undefined ? [] : ["\n", connectionsText(connections)]),
    ...faults.flatMap(({ path, text, remedy }) => [`\n${path} ${text}\n  ${remedy}\n`]),
    ...(hasOffline ? [`\nThe offline keys are still in ${folder}/offline: take them away.\n`] : []),
    ...(faults.length === 0 ? ["\nno faults\n"] : []),
  ].join("");
}

function connectionsText(connections: readonly Connection[]): string {
  if (connections.length === 0) return "No host was tried, because the folder has faults.\n";
  const rows = connections.map(({ host, address, version, clockMs }) => [
    host,
    address,
    version ?? "-",
    clockMs === undefined ? "-" : clockText(clockMs),
  ]);
  return tableText([["HOST", "ADDRESS", "NATS", "CLOCK"], ...rows]);
}

function clockText(clockMs: number): string {
  const seconds = (Math.abs(clockMs) / 1000).toFixed(1);
  return seconds === "0.0" ? "equal" : `${seconds} s ${clockMs > 0 ? "behind" : "ahead"}`;
}
