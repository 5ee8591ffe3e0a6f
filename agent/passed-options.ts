/** Turns the caller's options into arguments of the build programs. No other option of a caller reaches a program. */
import { join, resolve } from "node:path";
import type { Bind, PassedOptions } from "../lib/protocol/build-options.ts";

/** For a definition file. `callersRoot`: the folder that mirrors the caller's disk, where the sources of binds are. */
export function apptainerOptions(options: PassedOptions, callersRoot: string): string[] {
  const { noTest, writableTmpfs, binds = [], library, gpu, archVariant } = options;
  return [
    ...(noTest ? ["--notest"] : []),
    ...(writableTmpfs ? ["--writable-tmpfs"] : []),
    ...binds.map((bind) => `--mount=${mountSpec(bind, callersRoot)}`),
    ...given("--library", library),
    ...(gpu === undefined ? [] : [gpu === "nvidia" ? "--nv" : "--rocm"]),
    ...given("--arch-variant", archVariant),
  ];
}

/** For a Dockerfile. */
export function buildahOptions({ target, labels = {}, archVariant }: PassedOptions): string[] {
  return [
    ...given("--target", target),
    ...Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`),
    ...given("--variant", archVariant),
  ];
}

/** For the program that packs the image: apptainer, for both kinds of recipe. */
export const packOptions = ({ mksquashfsArgs }: PassedOptions): string[] => given("--mksquashfs-args", mksquashfsArgs);

const given = (flag: string, value: string | undefined): string[] => (value === undefined ? [] : [`${flag}=${value}`]);

/**
 * apptainer parses the value as a line of CSV, so a path may have commas and colons. It (1.4.5) joins all mounts into one text, where
 * each line must have as many fields as the first: a bind without `ro` repeats its type. resolve() keeps `..` below the root.
 */
function mountSpec({ source, destination, readOnly }: Bind, callersRoot: string): string {
  const field = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const paths = [field(`source=${join(callersRoot, resolve("/", source))}`), field(`destination=${destination}`)];
  return ["type=bind", ...paths, readOnly ? "ro" : "type=bind"].join(",");
}
