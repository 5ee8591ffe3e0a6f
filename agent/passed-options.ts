/** Turns the caller's options into arguments of the build programs. No other option of a caller reaches a program. */
import { join, resolve } from "node:path";
import type { Bind, Compression, PassedOptions } from "../lib/protocol/build-options.ts";
import { SECRETS_FOLDER } from "../lib/recipe/definition/secrets-folder.ts";
import type { SecretFiles } from "./secrets.ts";

/**
 * For a definition file. `callersRoot`: the folder that mirrors the caller's disk, where the sources of binds are; resolve() keeps
 * `..` below it.
 */
export function apptainerOptions(options: PassedOptions, callersRoot: string): string[] {
  const { noTest, writableTmpfs, binds = [], library, gpu, archVariant } = options;
  return [
    ...(noTest ? ["--notest"] : []),
    ...(writableTmpfs ? ["--writable-tmpfs"] : []),
    ...binds.map((bind) => `--mount=${mountSpec({ ...bind, source: join(callersRoot, resolve("/", bind.source)) })}`),
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

/** Arguments of mksquashfs (4.6). */
const COMPRESSION_ARGUMENTS: Readonly<Record<Compression, string>> = {
  default: "-Xcompression-level 6",
  fast: "-comp zstd -Xcompression-level 3",
  small: "-Xcompression-level 9",
  none: "-noI -noD -noF -noX",
};

/** Whether arguments for mksquashfs choose a compressor themselves. mksquashfs takes options of a compressor (-X) only behind its name. */
const CHOOSES_COMPRESSOR =
  /(?:^|\s)-(?:comp|X|no[IDFX]|noIdTableCompression|no(?:Inode|Data|Fragment|Xattr)Compression)/;

/** For the program that packs the image: apptainer, for both kinds of recipe. It splits the value at blanks. */
export function packOptions({ mksquashfsArgs = "", compression = "default" }: PassedOptions): string[] {
  const chosen = CHOOSES_COMPRESSOR.test(mksquashfsArgs) ? "" : COMPRESSION_ARGUMENTS[compression];
  return [`--mksquashfs-args=${`${chosen} ${mksquashfsArgs}`.trim()}`];
}

/** For a definition file: %post and %test find the secrets in their folder. */
export const apptainerSecrets = ({ secrets, authFile }: Partial<SecretFiles>): string[] => [
  ...given("--authfile", authFile),
  ...(secrets === undefined
    ? []
    : [`--mount=${mountSpec({ source: secrets.folder, destination: SECRETS_FOLDER, readOnly: true })}`]),
];

/** For a Dockerfile: a RUN that mounts a secret finds it. */
export const buildahSecrets = ({ secrets, authFile }: Partial<SecretFiles>): string[] => [
  ...given("--authfile", authFile),
  ...(secrets?.names ?? []).map((name) => `--secret=id=${name},src=${join(secrets?.folder ?? "", name)}`),
];

const given = (flag: string, value: string | undefined): string[] => (value === undefined ? [] : [`${flag}=${value}`]);

/**
 * apptainer parses the value as a line of CSV, so a path may have commas and colons. It (1.4.5) joins all mounts into one text, where
 * each line must have as many fields as the first: a bind without `ro` repeats its type.
 */
function mountSpec({ source, destination, readOnly }: Bind): string {
  const field = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const paths = [field(`source=${source}`), field(`destination=${destination}`)];
  return ["type=bind", ...paths, readOnly ? "ro" : "type=bind"].join(",");
}
