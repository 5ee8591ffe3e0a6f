/** The setting `bootstraps`: for which recipes the queue keeps trees that debootstrap has made. */
import * as v from "valibot";
import { archive, suite } from "../protocol/builder-messages.ts";

/** The releases of Debian that are maintained, and the names that move. */
const SUITES = ["bullseye", "oldstable", "bookworm", "trixie", "stable", "forky", "testing", "sid", "unstable"];

/**
 * Packages without secrets: the installation of openssh-server, ssl-cert or systemd makes keys and machine ids, and all users would get
 * the same ones. These make none, and neither do the packages that they need.
 */
const PACKAGES = [
  ...[
    "apt",
    "bash",
    "build-essential",
    "bzip2",
    "ca-certificates",
    "cmake",
    "coreutils",
    "curl",
    "file",
    "gawk",
    "gcc",
  ],
  ...[
    "g++",
    "gfortran",
    "git",
    "gnupg",
    "gzip",
    "less",
    "libc6",
    "locales",
    "make",
    "nano",
    "perl",
    "procps",
    "python3",
  ],
  ...["python3-pip", "python3-venv", "rsync", "sed", "tar", "unzip", "vim", "wget", "xz-utils", "zip", "zstd"],
];

const text = (what: string) => v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]{0,63}$/, `not the name of a ${what}`));

export const bootstrapsConfig = v.strictObject({
  /**
   * Values of MirrorURL; with and without a slash at the end is the same. None by default, so that no recipe makes the queue fetch from
   * an archive that the site has not chosen; then the queue keeps no trees. The builder image has the keys of Debian alone, so
   * debootstrap would take the packages of another distribution unverified.
   */
  mirrors: v.optional(v.pipe(v.array(archive), v.maxLength(16, "more than 16 mirrors")), []),
  suites: v.optional(v.pipe(v.array(suite), v.maxLength(64, "more than 64 suites")), SUITES),
  /** Packages that a recipe may name in Include. A recipe with another one gets no tree. */
  packages: v.optional(v.pipe(v.array(text("package")), v.maxLength(500, "more than 500 packages")), PACKAGES),
  /** Trees that are kept at the same time. Eight: two releases for two pools, with and without a few packages. */
  max: v.optional(
    v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(1), v.maxValue(64, "must be 1 to 64")),
    8,
  ),
});
/** Of a queue that keeps no trees. */
export const NO_BOOTSTRAPS: BootstrapsConfig = { mirrors: [], suites: [], packages: [], max: 1 };
export type BootstrapsConfig = v.InferOutput<typeof bootstrapsConfig>;
