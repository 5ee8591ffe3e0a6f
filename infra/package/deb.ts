/** Makes the Debian package from the folder of a package. */
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../lib/core/version.ts";
import type { Architecture } from "./architectures.ts";
import { normalize } from "./archive.ts";
import { manualPaths } from "./manual/add-manuals.ts";
import { must } from "./runtime.ts";
import { type PackageKind, PROGRAMS } from "./tree.ts";

const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), "files");
const PREFIX = "opt/container-builder";

/** In Debian a version with `-` has a revision; `~` sorts before the release, as a pre-release must. */
export const debianVersion = (version: string): string => version.replace("-", "~");

/** The glibc that the programs need: Node 2.28, nats-server 2.34 (measured with readelf). */
const RELATIONS: Readonly<Record<PackageKind, readonly string[]>> = {
  client: ["Depends: libc6 (>= 2.28)"],
  server: [
    "Depends: libc6 (>= 2.34), systemd",
    // The server's package has the client's programs at the same places.
    "Provides: container-builder-client",
    "Conflicts: container-builder-client",
    "Replaces: container-builder-client",
  ],
};

const SUMMARIES: Readonly<Record<PackageKind, string>> = {
  client: "builds Apptainer images for users without root rights",
  server: "queue, NATS server and administration of container-builder",
};

export function control(kind: PackageKind, arch: Architecture): string {
  return `Package: container-builder-${kind}
Version: ${debianVersion(VERSION)}
Architecture: ${arch.debian}
Maintainer: container-builder <root@localhost>
Section: utils
Priority: optional
${RELATIONS[kind].join("\n")}
Description: ${SUMMARIES[kind]}
 The package has its own Node and needs nothing but glibc.
`;
}

/**
 * Moves `tree` into the new folder `root`, as a host has it, and writes the package to `file`. `epochS` is the time of all files.
 * Throws CbError "infrastructure".
 */
export async function makeDeb(kind: PackageKind, arch: Architecture, options: DebOptions): Promise<void> {
  const { tree, root, file, epochS, compressed = true } = options;
  const place = join(root, PREFIX, VERSION);
  await mkdir(dirname(place), { recursive: true });
  await rename(tree, place);
  // dpkg installs and verifies by its own means.
  for (const name of ["install", "share/SHA256SUMS"]) await rm(join(place, name), { force: true });
  await symlink(VERSION, join(root, PREFIX, "current"));
  await mkdir(join(root, "usr/bin"), { recursive: true });
  for (const name of PROGRAMS[kind]) await symlink(`/${PREFIX}/current/bin/${name}`, join(root, "usr/bin", name));
  await linkManuals(kind, root);
  await mkdir(join(root, "DEBIAN"));
  await writeFile(join(root, "DEBIAN/control"), control(kind, arch));
  if (kind === "server") await addHostFiles(place, root);
  await normalize(root, epochS);
  // The level of the tar archives (archive.ts).
  const settings = ["--root-owner-group", ...(compressed ? ["-Zxz", "-z3"] : ["-Znone"])];
  await must(["env", `SOURCE_DATE_EPOCH=${epochS}`, "dpkg-deb", ...settings, "--build", root, file]);
  await rm(root, { recursive: true });
}

/** At the places where man and the shells look for them. */
async function linkManuals(kind: PackageKind, root: string): Promise<void> {
  for (const path of PROGRAMS[kind].flatMap(manualPaths)) {
    // Debian's zsh has a folder of its own for packages.
    const link = join(root, "usr", path.replace("zsh/site-functions", "zsh/vendor-completions"));
    await mkdir(dirname(link), { recursive: true });
    await symlink(`/${PREFIX}/current/${path}`, link);
  }
}

interface DebOptions {
  readonly tree: string;
  readonly root: string;
  readonly file: string;
  readonly epochS: number;
  /** Default true. Tests that install the package at once leave it uncompressed, which takes seconds instead of a minute. */
  readonly compressed?: boolean;
}

async function addHostFiles(place: string, root: string): Promise<void> {
  await rename(join(place, "host"), join(root, "usr/lib"));
  for (const script of ["postinst", "prerm"]) {
    await writeFile(join(root, "DEBIAN", script), await readFile(join(SCRIPTS, script)), { mode: 0o755 });
  }
}
