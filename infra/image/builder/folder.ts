/**
 * Makes a root file system at the path that queue.yaml names. The path is a link into the folder `PATH.d`, which holds one folder a
 * version, so that a new version replaces the former one in one step: sandboxes that run keep theirs, and lock it. The next version
 * removes those that are neither linked nor locked (infra/image/cache).
 */
import { mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { isMade } from "../../../lib/provider/sandbox/make-once.ts";
import { requirePrerequisites } from "../../../lib/provider/sandbox/prerequisites.ts";
import { ensureRootfs } from "../../../lib/provider/sandbox/rootfs.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { SANDBOX_HOST_TOOLS } from "../../tools/setup/packages.ts";
import { withProgress } from "../../tools/setup/run-command.ts";
import { print } from "../write-image.ts";
import { newEdition } from "./edition.ts";
import { becomeOwner } from "./owner.ts";

export interface FolderOptions {
  /** Absolute path of the root file system. */
  readonly folder: string;
  readonly purpose: "builder" | "machine";
  /** True: from the mirror's present packages, also when there is one of this recipe. */
  readonly update: boolean;
  readonly signal: AbortSignal;
}

/**
 * Root installs missing programs, and then goes on as the owner of the folder above, because a root file system belongs to the
 * subordinate ids of the user that runs the queue. Throws CbError "output" when the path is taken or cannot be written, "config"
 * with everything that this host lacks, and as ensureTools and ensureRootfs do.
 */
export async function makeFolder({ folder, purpose, update, signal }: FolderOptions): Promise<void> {
  await ensureTools({ need: SANDBOX_HOST_TOOLS, onStep: print });
  await becomeOwner(dirname(folder));
  const linked = await linkedVersion(folder);
  const store = `${folder}.d`;
  await mkdir(store, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new CbError("output", `cannot create ${store}: ${messageOf(cause)}`, { cause });
  });
  await requirePrerequisites({ stateDir: store });
  // Marks the linked version as used, or the next step would remove it after a day without sandboxes.
  if (linked !== undefined) await isMade(join(store, "rootfs"), linked);
  const present = update ? undefined : linked?.split("-")[1];
  const edition = update ? newEdition() : present;
  const made = await withProgress(`Making ${folder}`, print, () =>
    ensureRootfs({
      cacheDir: store,
      purpose,
      ...(edition !== undefined && { edition }),
      onProgress: ({ phase }) => print(`  ${phase}`),
      signal,
    }),
  );
  await link(relative(dirname(folder), made), folder);
  print(`image ${basename(dirname(made))}. Sandboxes that run keep the image that they started from.`);
}

/** The version that the path leads to; undefined when there is none. Throws CbError "output" when the path is no link of ours. */
async function linkedVersion(folder: string): Promise<string | undefined> {
  try {
    const target = await readlink(folder);
    if (target.startsWith(`${basename(folder)}.d/`)) return basename(dirname(target));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "EINVAL") throw new CbError("output", `cannot read ${folder}: ${messageOf(error)}`, { cause: error });
  }
  throw new CbError("output", `${folder} exists, and this command did not make it`, {
    hint: `move it away while no builder runs: mv ${folder} ${folder}.old`,
  });
}

/** Replaces the link in one step. Throws CbError "output". */
async function link(target: string, path: string): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  try {
    await symlink(target, part);
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    throw new CbError("output", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}
