/** The lines that show, at the end of a build, its image, its times and its id. */
import { duration, size } from "../text/progress.ts";
import type { BuildMetadata, BuildTimes } from "./build-metadata.ts";

/** Empty unless the image is at its place. */
export function summaryLines({ image, times, build = "" }: Pick<BuildMetadata, "image" | "times" | "build">): string[] {
  if (image === undefined) return [];
  const { path, bytes, sha256 } = image;
  return [
    `Image:    ${path === "-" ? "standard output" : path}`,
    `Size:     ${size(bytes)} (${bytes} bytes)`,
    `SHA-256:  ${sha256}`,
    `Times:    ${timesText(times)}`,
    `Build ID: ${build}`,
  ];
}

function timesText({ waitedMs, builtMs, transferredMs }: BuildTimes): string {
  const parts = [
    ["waited", waitedMs],
    ["built", builtMs],
    ["transferred", transferredMs],
  ] as const;
  return parts.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name} ${duration(ms)}`])).join(", ");
}
