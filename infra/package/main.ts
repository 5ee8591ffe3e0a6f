/** Writes the packages of a release: `npm run package [-- --arch ARCH] [--out FOLDER]`. */
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { machine } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import { EXIT_CODES } from "../../lib/core/exit-codes.ts";
import { VERSION } from "../../lib/core/version.ts";
import { ensureTools } from "../tools/setup/ensure-tools.ts";
import { findPrograms } from "../tools/setup/find-program.ts";
import { withProgress } from "../tools/setup/run-command.ts";
import { type Architecture, findArchitecture } from "./architectures.ts";
import { normalize, pack } from "./archive.ts";
import { debianVersion, makeDeb } from "./deb.ts";
import { sourceTime } from "./source-time.ts";
import { makeTree, type PackageKind } from "./tree.ts";

const USAGE = "usage: npm run package [-- [--arch x86_64|aarch64] [--out FOLDER]]";
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const print = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Files of earlier versions stay in the folder. A file appears under its name when it is complete. */
async function main(): Promise<void> {
  const { arch: name, out } = readArguments();
  const arch = findArchitecture(name);
  const epochS = await sourceTime(ROOT, process.env);
  await ensureTools({ need: ["patchelf", "xz"], onStep: print });
  const outDir = resolve(out);
  await mkdir(outDir, { recursive: true }).catch((cause: unknown) => {
    throw new CbError("output", `cannot create ${outDir}: ${messageOf(cause)}`, { cause });
  });
  for (const kind of ["client", "server"] as const) {
    const work = await mkdtemp(join(outDir, ".making-"));
    try {
      for (const file of await makePackages({ kind, arch, epochS, work })) {
        await rename(file, join(outDir, basename(file)));
        const { size } = await stat(join(outDir, basename(file)));
        process.stdout.write(`${join(outDir, basename(file))} ${(size / 1e6).toFixed(1)} MB\n`);
      }
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
}

interface PackageInput {
  readonly kind: PackageKind;
  readonly arch: Architecture;
  readonly epochS: number;
  readonly work: string;
}

/** Returns the files that it wrote into `work`. */
async function makePackages({ kind, arch, epochS, work }: PackageInput): Promise<string[]> {
  const tree = join(work, `container-builder-${VERSION}`);
  await withProgress(`Collecting the files of the ${kind}`, print, () => makeTree(kind, arch, tree));
  await normalize(tree, epochS);
  const archive = join(work, `container-builder-${kind}-${VERSION}-${arch.name}.tar.xz`);
  await withProgress(`Packing ${basename(archive)}`, print, () => pack(tree, archive));
  if (findPrograms("dpkg-deb").length === 0) return [archive];
  const file = join(work, `container-builder-${kind}_${debianVersion(VERSION)}_${arch.debian}.deb`);
  const options = { tree, root: join(work, "root"), file, epochS };
  await withProgress(`Packing ${basename(file)}`, print, () => makeDeb(kind, arch, options));
  return [archive, file];
}

function readArguments(): { arch: string; out: string } {
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({ options: { arch: text, out: text } });
    return { arch: values.arch ?? machine(), out: values.out ?? join(ROOT, "dist-packages") };
  } catch (error) {
    throw new CbError("usage", messageOf(error), { hint: USAGE });
  }
}

main().catch((error: unknown) => {
  const known = error instanceof CbError;
  print(known ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : messageOf(error)}`);
  if (known && error.hint !== undefined) print(`  ${error.hint}`);
  process.exitCode = known ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
});
