/** Downloads what a package holds and the project does not have: Node from npm, libraries and nats-server from Debian. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { folders } from "../../lib/config/folders.ts";
import { CbError } from "../../lib/core/errors.ts";
import { hostAptSettings } from "../../lib/provider/sandbox/apt-settings.ts";
import { aptDownload } from "../tools/setup/apt.ts";
import { runCommand } from "../tools/setup/run-command.ts";
import { type Architecture, NODE_VERSION } from "./architectures.ts";

/** A downloaded file, as the package's list of inputs names it. */
export interface Download {
  readonly path: string;
  /** The name of the file, which holds the version. */
  readonly file: string;
  readonly sha256: string;
}

/** Returns npm's package with Node for the architecture. Throws as npmDownload does. */
export async function nodeDownload(arch: Architecture): Promise<Download> {
  return npmDownload(arch.nodePackage, NODE_VERSION, arch.nodeIntegrity);
}

/**
 * Returns a package of npm. npm checks it against the registry's digest, and this function against `expected`, the one in the
 * sources. Throws CbError "infrastructure" when the download fails, "denied" when the digest differs.
 */
export async function npmDownload(name: string, version: string, expected: string): Promise<Download> {
  const download = await cached(`npm-${name}-${version}.tgz`, async (scratch) => {
    const spec = `${name}@${version}`;
    const packed = await runCommand(["npm", "pack", "--silent", "--pack-destination", scratch, spec], { cwd: scratch });
    if (packed.code === 0) return;
    throw new CbError("infrastructure", `npm could not fetch ${spec}\n${packed.output.trim()}`, {
      hint: "is the npm registry reachable? See: npm ping",
    });
  });
  const integrity = `sha512-${createHash("sha512")
    .update(await readFile(download.path))
    .digest("base64")}`;
  if (integrity === expected) return download;
  throw new CbError("denied", `${download.path} has the digest ${integrity}, not ${expected}`, {
    hint: `remove it, and compare with: npm view ${name}@${version} dist.integrity`,
  });
}

/**
 * Returns a Debian package of a release for the architecture. apt checks the signature of the archive. The cache keeps the package,
 * so later calls give the same bytes. Throws CbError "infrastructure" when the download fails, "config" when no archive is known.
 */
export async function debianDownload(name: string, release: string, arch: Architecture): Promise<Download> {
  return cached(`${release}-${name}-${arch.debian}`, async (scratch) => {
    const { mirror } = await hostAptSettings();
    const source = `deb [arch=${arch.debian} check-valid-until=no] ${mirror} ${release} main`;
    const work = await mkdtemp(join(dirname(scratch), ".apt-"));
    try {
      const deb = await aptDownload(`${name}:${arch.debian}`, work, source);
      await rename(deb, join(scratch, basename(deb)));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** The folder `key` of the cache holds one file. If two processes fetch it at once, one result is kept. */
async function cached(key: string, fetchInto: (scratch: string) => Promise<void>): Promise<Download> {
  const cache = join(folders().cache, "packages");
  const folder = join(cache, key);
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    const scratch = await mkdtemp(join(cache, ".fetching-"));
    try {
      await fetchInto(scratch);
      await rename(scratch, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  const [file] = await readdir(folder);
  if (file === undefined) {
    throw new CbError("infrastructure", `the download in ${folder} is missing`, { hint: `remove ${folder}` });
  }
  const path = join(folder, file);
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  return { path, file, sha256 };
}
