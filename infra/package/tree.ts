/** Lays out the folder of a package: what its archive holds under `container-builder-VERSION/`. */
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../lib/core/version.ts";
import { build } from "../tools/build.ts";
import type { Architecture } from "./architectures.ts";
import { addLicences } from "./licences.ts";
import { addNatsServer, addNode, writeInputs } from "./runtime.ts";

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
  server: [...CLIENT_PROGRAMS, "cb-admin", "cb-queue"],
};

/**
 * Fills the empty folder `folder`. Programs find all they need by their own place, so the folder may be moved and read-only. Throws
 * CbError as the downloads do, and esbuild's BuildFailure.
 */
export async function makeTree(kind: PackageKind, arch: Architecture, folder: string): Promise<void> {
  await build({ outDir: folder, programs: PROGRAMS[kind], node: "own", withAgent: kind === "server" });
  const downloads = await addNode(folder, arch);
  if (kind === "server") downloads.push(...(await addNatsServer(folder, arch)));
  await writeInputs(folder, downloads);
  await addLicences(folder, ROOT);
  await cp(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  await addClientFiles(folder);
  if (kind === "server") await addServerFiles(folder);
}

async function addClientFiles(folder: string): Promise<void> {
  const modulefile = join(folder, "modulefiles/container-builder", VERSION);
  await mkdir(dirname(modulefile), { recursive: true });
  const text = await readFile(join(FILES, "modulefile"), "utf8");
  await writeFile(modulefile, text.replaceAll("@VERSION@", VERSION));
  await cp(join(FILES, "config.yaml.example"), join(folder, "etc/container-builder/config.yaml.example"));
}

/** The scripts that cb-queue runs keep their places in the project: lib/provider/sandbox/scripts.ts finds them so. */
async function addServerFiles(folder: string): Promise<void> {
  const copy = (from: string, to: string) => cp(join(ROOT, from), join(folder, to), { recursive: true });
  await copy("lib/provider/sandbox/scripts", "lib/provider/sandbox/scripts");
  await cp(join(ROOT, "infra/image"), join(folder, "infra/image"), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts"),
  });
  for (const unit of ["cb-nats.service", "cb-queue.service"])
    await copy(`infra/units/${unit}`, `host/systemd/system/${unit}`);
  await copy("infra/units/sysusers.conf", "host/sysusers.d/container-builder.conf");
  await copy("infra/units/tmpfiles.conf", "host/tmpfiles.d/container-builder.conf");
  await copy("infra/units/cb-queue.service.d", "etc/systemd/system/cb-queue.service.d");
  await chmod(join(folder, "agent/agent.mjs"), 0o644);
}
