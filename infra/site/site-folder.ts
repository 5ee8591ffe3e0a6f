/** The paths in a site's folder. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CbError, messageOf } from "../../lib/core/errors.ts";

export interface SiteFolder {
  readonly root: string;
  readonly yaml: string;
  /** Keys that are needed to change accounts and to sign certificates. To be taken away. */
  readonly offline: string;
  /** Keys, JWTs, credentials and certificates, from which the files of all hosts are written. */
  readonly installation: string;
  /** Certificates of the routes, NAME.crt and NAME.key. */
  readonly routes: string;
  /** Credentials of the operators, NAME.creds. */
  readonly operators: string;
  /** Credentials that were replaced, and those of operators who left. `renew --finish` makes NATS refuse them. */
  readonly retired: string;
  readonly manifest: string;
  readonly steps: string;
}

/** The folders with the files of hosts, operators and clients. */
export const TREES = ["hosts", "operator", "client"] as const;

export function siteFolder(root: string): SiteFolder {
  const installation = join(root, "installation");
  return {
    root,
    yaml: join(root, "site.yaml"),
    offline: join(root, "offline"),
    installation,
    routes: join(installation, "tls", "routes"),
    operators: join(installation, "creds", "operators"),
    retired: join(installation, "creds", "retired"),
    manifest: join(root, "files.txt"),
    steps: join(root, "install.txt"),
  };
}

/** The text of a file, or undefined when it does not exist. Throws node's other errors. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The system calls that change a folder. */
const WRITES = [
  "mkdir",
  "rename",
  "chmod",
  "copyfile",
  "unlink",
  "rmdir",
  "rm",
  "mkdtemp",
  "write",
  "fsync",
  "ftruncate",
];

/**
 * Runs `work` on the site's folder. Turns an error of the file system into a CbError that names the folder: "output" when it cannot be
 * written, "config" when it cannot be read. Each file is written whole or not at all, so the same command completes the work.
 */
export async function inFolder<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    const isTemporary = "path" in error && String(error.path).endsWith(".tmp");
    const isWrite = isTemporary || WRITES.includes(String(error.syscall));
    const isFull = "code" in error && ["ENOSPC", "EDQUOT", "EROFS"].includes(String(error.code));
    throw isWrite || isFull
      ? new CbError("output", `cannot write the site's folder ${root}: ${error.message}`, {
          hint: "nothing is lost: make it writable, or free some space, and run the same command again",
          cause: error,
        })
      : new CbError("config", `cannot read the site's folder ${root}: ${error.message}`, {
          hint: "run the command as the owner of the folder, or restore the file from a copy",
          cause: error,
        });
  }
}

/** A file of the offline folder, which may be elsewhere. Throws CbError "config" that names it and `purpose`. */
export async function readOffline(path: string, purpose: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read ${path}, which is needed to ${purpose}: ${messageOf(cause)}`, {
      hint: "bring the folder offline back to its place, run the command again, and take the folder away afterwards",
      cause,
    });
  }
}
