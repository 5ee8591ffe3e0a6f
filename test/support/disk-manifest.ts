/** Lists the content of a disk image's file system without mounting it, so that a test can compare two builds. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DEBUGFS = "/usr/sbin/debugfs";
/** Limit for the listing of one level of the tree, which has some thousand entries of 60 bytes. */
const LISTING_MAX_BYTES = 64 * 1024 * 1024;

/** The inode of the root directory, which is fixed in ext4. */
const ROOT_INODE = "2";

/**
 * Returns for each path its type and mode in octal, its owner and group, and its content: the SHA-256 of a file, or the target
 * of a symbolic link. `folder` is created, filled with half a gigabyte, and removed.
 */
export async function diskManifest(image: string, folder: string): Promise<Map<string, string>> {
  // The only partition begins at 1 MiB.
  const device = `${image}?offset=1048576`;
  const contentByPath = await contents(device, folder);
  const manifest = new Map<string, string>();
  for (const [path, rights] of await allRights(device, `${folder}.ls`)) {
    manifest.set(path, `${rights} ${contentByPath.get(path) ?? ""}`);
  }
  for (const path of contentByPath.keys())
    if (!manifest.has(path)) throw new Error(`debugfs dumped ${path} and did not list it`);
  return manifest;
}

async function contents(device: string, folder: string): Promise<Map<string, string>> {
  await mkdir(folder);
  await run(DEBUGFS, ["-R", `rdump / ${folder}`, device]);
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length);
    if (entry.isSymbolicLink()) found.set(name, await readlink(path));
    if (entry.isFile())
      found.set(
        name,
        createHash("sha256")
          .update(await readFile(path))
          .digest("hex"),
      );
  }
  await rm(folder, { recursive: true });
  return found;
}

/**
 * Reads modes and owners from the inodes and not from the output of rdump: rdump cannot set the owner unless root calls it, and
 * even for root it loses set-id bits, because it sets the owner after the mode. `script` is a file for debugfs's commands.
 */
async function allRights(device: string, script: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let folders = [{ path: "", inode: ROOT_INODE }];
  while (folders.length > 0) {
    await writeFile(script, folders.map(({ inode }) => `ls -p <${inode}>\n`).join(""));
    const { stdout } = await run(DEBUGFS, ["-f", script, device], { maxBuffer: LISTING_MAX_BYTES });
    // debugfs prints each command before its output.
    const listings = stdout.split(/^debugfs: ls -p .*$/m).slice(1);
    folders = folders.flatMap(({ path }, at) => {
      const inner: typeof folders = [];
      for (const [, inode = "", mode = "", uid, gid, name = ""] of (listings[at] ?? "").matchAll(ENTRY)) {
        if (name === "..") continue;
        const full = name === "." ? path || "/" : `${path}/${name}`;
        found.set(full, `${mode} ${uid}:${gid}`);
        if (name !== "." && mode.startsWith("04")) inner.push({ path: full, inode });
      }
      return inner;
    });
  }
  await rm(script);
  return found;
}

/** Inode, mode, owner, group, name and size, between slashes. */
const ENTRY = /^\/(\d+)\/(\d+)\/(\d+)\/(\d+)\/([^/\n]+)\/\d*\/$/gm;
