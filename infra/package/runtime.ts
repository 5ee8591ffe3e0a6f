/** Puts Node and the C++ libraries that it needs into a package, so that the package needs glibc 2.28 and nothing else. */
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";
import { unpackDeb } from "../tools/setup/apt.ts";
import { findPrograms } from "../tools/setup/find-program.ts";
import { runCommand } from "../tools/setup/run-command.ts";
import type { Architecture } from "./architectures.ts";
import { type Download, debianDownload, nodeDownload } from "./downloads.ts";

/** The oldest Debian release with a libstdc++ that Node 22 runs with; it needs glibc 2.18. */
const LIBRARY_RELEASE = "bullseye";
/** The release with the newest nats-server. Version 2.15 creates a stream with three replicas in a fifth of the time of 2.10. */
const NATS_RELEASE = "sid";

/**
 * Writes lib/node, its two libraries and their licences below `folder`. Returns the downloads. Throws CbError as the downloads do, and
 * "infrastructure" when a program fails.
 */
export async function addNode(folder: string, arch: Architecture): Promise<Download[]> {
  const node = await nodeDownload(arch);
  const libraries = await Promise.all(
    // The copyright file of the libraries is in the package of the compiler.
    ["libstdc++6", "libgcc-s1", "gcc-10-base"].map((name) => debianDownload(name, LIBRARY_RELEASE, arch)),
  );
  await withScratch(async (scratch) => {
    await must(["tar", "-xzf", node.path, "-C", scratch, "package/bin/node", "package/LICENSE"]);
    for (const { path } of libraries) await unpackDeb(path, scratch);
    const libraryFolders = [`usr/lib/${arch.triplet}`, `lib/${arch.triplet}`].map((path) => join(scratch, path));
    const program = join(scratch, "package/bin/node");
    await strip(program, arch);
    // DT_RPATH, unlike DT_RUNPATH, precedes an LD_LIBRARY_PATH that a module of the site has set for another compiler.
    await must(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", program]);
    await mkdir(join(folder, "lib"), { recursive: true });
    await install(program, join(folder, "lib/node"), 0o755);
    for (const library of ["libstdc++.so.6", "libgcc_s.so.1"])
      await install(await findIn(libraryFolders, library), join(folder, "lib", library), 0o644);
    await install(join(scratch, "package/LICENSE"), join(folder, "licences/node.txt"), 0o644);
    const gcc = join(scratch, "usr/share/doc/gcc-10-base/copyright");
    await install(gcc, join(folder, "licences/libstdc++-libgcc.txt"), 0o644);
  });
  return [node, ...libraries];
}

/** Writes lib/nats-server and its licence below `folder`. Returns the download. Throws as addNode does. */
export async function addNatsServer(folder: string, arch: Architecture): Promise<Download[]> {
  const download = await debianDownload("nats-server", NATS_RELEASE, arch);
  await withScratch(async (scratch) => {
    await unpackDeb(download.path, scratch);
    const program = await findIn([join(scratch, "usr/sbin"), join(scratch, "usr/bin")], "nats-server");
    await install(program, join(folder, "lib/nats-server"), 0o755);
    const licence = join(scratch, "usr/share/doc/nats-server/copyright");
    await install(licence, join(folder, "licences/nats-server.txt"), 0o644);
  });
  return [download];
}

/** The symbols of Node are 17 MB. Without binutils for the architecture they stay in. */
async function strip(program: string, arch: Architecture): Promise<void> {
  const tool = `${arch.triplet}-strip`;
  if (findPrograms(tool).length > 0) await must([tool, program]);
}

async function findIn(folders: readonly string[], name: string): Promise<string> {
  for (const folder of folders) {
    const found = (await readdir(folder).catch((): string[] => [])).includes(name);
    if (found) return join(folder, name);
  }
  throw new CbError("infrastructure", `the package holds no ${name}`, { hint: "remove the downloads in the cache" });
}

async function install(from: string, to: string, mode: number): Promise<void> {
  await mkdir(join(to, ".."), { recursive: true });
  await copyFile(from, to);
  await chmod(to, mode);
}

async function withScratch(work: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "cb-package-"));
  try {
    await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Throws CbError "infrastructure" with the program's output unless it exits with 0. */
export async function must(argv: readonly [string, ...string[]], cwd?: string): Promise<void> {
  const { code, output } = await runCommand(argv, cwd === undefined ? {} : { cwd });
  if (code === 0) return;
  throw new CbError("infrastructure", `${argv[0]} failed with exit code ${code}: ${output.trim()}`, {
    hint: `the command was: ${argv.join(" ")}`,
  });
}

/** Writes a list of the downloads, with their digests, to share/inputs.json. */
export async function writeInputs(folder: string, downloads: readonly Download[]): Promise<void> {
  const inputs = downloads.map(({ file, sha256 }) => ({ file, sha256 }));
  await mkdir(join(folder, "share"), { recursive: true });
  await writeFile(join(folder, "share/inputs.json"), `${JSON.stringify(inputs, null, 2)}\n`);
}
