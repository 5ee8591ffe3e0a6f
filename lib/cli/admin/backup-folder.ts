/**
 * Writes a backup into a hidden folder beside its target, and renames it when it is complete and on the disk. So the target is
 * either missing or whole; a killed backup leaves only the hidden folder, which has no manifest.
 */
import { createHash, randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CbError, codeOf } from "../../core/errors.ts";
import { writeSecretFile } from "../../nats/credentials/secret-file.ts";
import { outputError } from "../../transfer/target.ts";
import { type BackupManifest, GUEST_JWT, MANIFEST, streamFile } from "./backup-manifest.ts";

/** A backup holds recipes, logs and images of all users. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

export interface StreamFile {
  write(chunk: Uint8Array): void;
  /** Flushes it to the disk and closes it. */
  finish(): { bytes: number; sha256: string };
  /** Closes and removes it. Does nothing after `finish`. */
  discard(): Promise<void>;
}

export class BackupFolder {
  readonly #target: string;
  readonly #hidden: string;

  /** Throws CbError "usage" when the target exists and is no empty folder, "output" when it cannot be created. */
  static async create(path: string): Promise<BackupFolder> {
    const target = resolve(path);
    const hidden = join(dirname(target), `.${basename(target).slice(0, 64)}.${randomUUID()}.part`);
    await refuseTaken(target);
    await written(target, async () => {
      await mkdir(hidden, { mode: FOLDER_MODE });
      await mkdir(join(hidden, "streams"), { mode: FOLDER_MODE });
    });
    return new BackupFolder(target, hidden);
  }

  private constructor(target: string, hidden: string) {
    this.#target = target;
    this.#hidden = hidden;
  }

  /** Its methods throw CbError "output" when the file cannot be written. */
  openStream(name: string): StreamFile {
    const path = streamFile(this.#hidden, name);
    const hash = createHash("sha256");
    const target = this.#target;
    const fd = sync(target, () => openSync(path, "wx", FILE_MODE));
    let bytes = 0;
    let isOpen = true;
    const close = () => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    };
    return {
      write: (chunk) => {
        sync(target, () => writeWhole(fd, chunk));
        hash.update(chunk);
        bytes += chunk.length;
      },
      finish: () => {
        sync(target, () => fsyncSync(fd));
        close();
        return { bytes, sha256: hash.digest("hex") };
      },
      discard: async () => {
        if (!isOpen) return;
        close();
        await rm(path, { force: true });
      },
    };
  }

  /** Returns the entry of the manifest. */
  async writeGuestJwt(jwt: string): Promise<{ sha256: string }> {
    await written(this.#target, () => writeSecretFile(join(this.#hidden, GUEST_JWT), jwt));
    return { sha256: createHash("sha256").update(jwt).digest("hex") };
  }

  /** Completes the backup and gives it its name. */
  async place(manifest: BackupManifest): Promise<void> {
    await written(this.#target, async () => {
      await writeSecretFile(join(this.#hidden, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
      for (const folder of [join(this.#hidden, "streams"), this.#hidden]) await syncFolder(folder);
      // rename(2) replaces an empty folder, and fails for another.
      await rename(this.#hidden, this.#target);
      await syncFolder(dirname(this.#target));
    });
  }

  discard(): Promise<void> {
    return rm(this.#hidden, { recursive: true, force: true });
  }
}

async function refuseTaken(target: string): Promise<void> {
  const found = await lstat(target).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw outputError(target, error);
  });
  if (found === undefined) return;
  const names = found.isDirectory() ? await written(target, () => readdir(target)) : [target];
  if (names.length === 0) return;
  throw new CbError("usage", `${target} exists`, {
    hint: "name a new folder for each backup, as in: cb-admin backup /backup/$(date +%F)",
  });
}

/** write(2) may write fewer bytes than requested. */
function writeWhole(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  // Some network file systems cannot sync folders.
  await folder.sync().catch(() => undefined);
  await folder.close();
}

async function written<T>(target: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failed(target, error);
  }
}

function sync<T>(target: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw failed(target, error);
  }
}

const failed = (target: string, error: unknown): unknown =>
  error instanceof CbError ? error : outputError(target, error);
