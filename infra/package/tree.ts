/** Lays out the folder of a package: what its archive holds under `container-builder-VERSION/`. */
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../lib/core/version.ts";
import { build } from "../tools/build.ts";
import type { Architecture } from "./architectures.ts";
import { addLicences } from "./licences.ts";
import { addManuals } from "./manual/add-manuals.ts";
import { addNatsServer, addNode, writeInputs } from "./runtime.ts";
import { sourceTime } from "./source-time.ts";

export type PackageKind = "client" | "server";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FILES = join(ROOT, "infra/package/files");

const CLIENT_PROGRAMS = [
  "container-builder",
  "cb-attach",
  "cb-builds",
  "cb-cancel",
  "cb-images",
  "cb-logs",
  "cb-status",
];

/** The server's package also has the client's programs: with it a host can be tested by a build. */
export const PROGRAMS: Readonly<Record<PackageKind, readonly string[]>> = {
  client: CLIENT_PROGRAMS,
  server: [...CLIENT_PROGRAMS, "cb-admin", "cb-queue", "cb-registry"],
};

/**
 * Fills the empty folder `folder`. Programs find all they need by their own place, so the folder may be moved and read-only. Throws
 * CbError as the downloads do, and esbuild's BuildFailure.
 */
export async function makeTree(kind: PackageKind, arch: Architecture, folder: string): Promise<void> {
  await build({ outDir: folder, programs: PROGRAMS[kind], node: "own", withAgent: kind === "server" });
  await addManuals(folder, PROGRAMS[kind], await sourceTime(ROOT, process.env));
  const downloads = await addNode(folder, arch);
  if (kind === "server") downloads.push(...(await addNatsServer(folder, arch)));
  await writeInputs(folder, downloads);
  await addLicences(folder, ROOT);
  await cp(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  await addClientFiles(folder, VERSION);
  if (kind === "server") await addServerFiles(folder);
  else await addInstaller(folder, VERSION);
}

/** Writes the modulefile of the version and the example of the site's settings. */
export async function addClientFiles(folder: string, version: string): Promise<void> {
  const modulefiles = join(folder, "modulefiles/container-builder");
  await mkdir(modulefiles, { recursive: true });
  await writeFile(join(modulefiles, version), await versioned("modulefile", version));
  // The default among the versions of a folder (install).
  await writeFile(join(modulefiles, ".version"), `#%Module1.0\nset ModulesVersion "${version}"\n`);
  await cp(join(FILES, "config.yaml.example"), join(folder, "etc/container-builder/config.yaml.example"));
}

/** The text of one of the FILES, with the version in it. */
async function versioned(name: string, version: string): Promise<string> {
  return (await readFile(join(FILES, name), "utf8")).replaceAll("@VERSION@", version);
}

/** The last step: `install` checks every file of the folder but itself against share/SHA256SUMS. */
export async function addInstaller(folder: string, version: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const lines = await Promise.all(
    paths.sort().map(async (path) => {
      const digest = createHash("sha256").update(await readFile(path));
      return `${digest.digest("hex")}  ${relative(folder, path)}\n`;
    }),
  );
  await writeFile(join(folder, "share/SHA256SUMS"), lines.join(""));
  await writeFile(join(folder, "install"), await versioned("install", version), { mode: 0o755 });
}

/** The scripts that cb-queue runs keep their places in the project: lib/provider/sandbox/scripts.ts finds them so. */
async function addServerFiles(folder: string): Promise<void> {
  const copy = (from: string, to: string) => cp(join(ROOT, from), join(folder, to), { recursive: true });
  await copy("lib/provider/sandbox/scripts", "lib/provider/sandbox/scripts");
  await cp(join(ROOT, "infra/image"), join(folder, "infra/image"), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts"),
  });
  for (const unit of ["cb-nats.service", "cb-queue.service", "cb-registry.service"])
    await copy(`infra/units/${unit}`, `host/systemd/system/${unit}`);
  await copy("infra/units/sysusers.conf", "host/sysusers.d/container-builder.conf");
  await copy("infra/units/tmpfiles.conf", "host/tmpfiles.d/container-builder.conf");
  await copy("infra/units/cb-queue.service.d", "etc/systemd/system/cb-queue.service.d");
  await chmod(join(folder, "agent/agent.mjs"), 0o644);
}
