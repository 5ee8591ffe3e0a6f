/** The output of `cb-admin site check`. */
import { tableText } from "../files/site-file.ts";
import { daysLeft, type SiteReport } from "./check-site.ts";

/** Ends with a line break. */
export function checkText({ folder, nowMs, lifetimes, faults, hasOffline }: SiteReport): string {
  const rows = lifetimes.map(({ path, endsAtMs }) =>
    endsAtMs === undefined
      ? [path, "-", "does not end"]
      : [path, new Date(endsAtMs).toISOString().slice(0, 10), String(daysLeft(endsAtMs, nowMs))],
  );
  return [
    tableText([["FILE", "ENDS", "DAYS LEFT"], ...rows]),
    ...faults.flatMap(({ path, text, remedy }) => [`\n${path} ${text}\n  ${remedy}\n`]),
    ...(hasOffline ? [`\nThe offline keys are still in ${folder}/offline: take them away.\n`] : []),
    ...(faults.length === 0 ? ["\nno faults\n"] : []),
  ].join("");
}
