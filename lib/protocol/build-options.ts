/**
 * The options of the build programs that a caller may set. The queue refuses every other, and a builder passes on these only. Each
 * value becomes one argument of a program, without a shell, so it needs no quoting.
 */
import * as v from "valibot";
import { absolutePath, gpu } from "./fields.ts";

/** The longest value: mksquashfs has some fifty options, and an image's label is a line. */
const VALUE_MAX_BYTES = 4096;
/** More than any real build has: each bind is a folder that the caller names on the command line. */
const BINDS_MAX = 100;
const LABELS_MAX = 100;

const isOneLine = (text: string): boolean => !/\p{Cc}/u.test(text);
const value = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxBytes(VALUE_MAX_BYTES),
  v.check(isOneLine, "contains a control character"),
);
const on = v.optional(v.literal(true));
const path = v.pipe(absolutePath, v.check(isOneLine, "contains a control character"));

/** A file or folder of the caller that %post and %test find at `destination`. */
const bind = v.strictObject({ source: path, destination: path, readOnly: on });
export type Bind = v.InferOutput<typeof bind>;

const labels = v.pipe(
  v.record(v.pipe(value, v.regex(/^[^=]+$/, "contains =")), v.union([v.literal(""), value])),
  v.check((all) => Object.keys(all).length <= LABELS_MAX, `more than ${LABELS_MAX} labels`),
);

/**
 * How mksquashfs compresses the image. `default`: gzip, level 6, which every kernel and every apptainer reads. `fast`: zstd, level 3, which
 * needs Linux 4.14. `small`: gzip, level 9, as apptainer packs by itself. `none`: not at all.
 * docs/performance.md has sizes and times.
 */
export const COMPRESSIONS = ["default", "fast", "small", "none"] as const;
export const compression = v.picklist(COMPRESSIONS);
export type Compression = v.InferOutput<typeof compression>;

export const passedOptions = v.strictObject({
  /** Of both kinds of recipe. `archVariant`: as in OCI images, `v7`. */
  archVariant: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,32}$/, "not a variant of an architecture"))),
  /** apptainer splits the text at blanks. */
  mksquashfsArgs: v.optional(value),
  /** Absent: as the site has it, else `default`. */
  compression: v.optional(compression),
  /** Of a definition file. */
  noTest: on,
  writableTmpfs: on,
  binds: v.optional(v.pipe(v.array(bind), v.maxLength(BINDS_MAX))),
  library: v.optional(value),
  /** The build gets a builder of a pool with such processors, and apptainer the option --nv or --rocm. */
  gpu: v.optional(gpu),
  /** Of a Dockerfile. */
  target: v.optional(value),
  labels: v.optional(labels),
});
export type PassedOptions = v.InferOutput<typeof passedOptions>;
