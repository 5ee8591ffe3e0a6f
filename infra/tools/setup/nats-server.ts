/**
 * Finds a nats-server, or fetches one. The Debian package is unpacked into the cache folder and not installed: its
 * installation starts a server for the whole system on port 4222, which nobody asked for.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { aptUnpack, hasApt } from "./apt.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import { runCommand, withProgress } from "./run-command.ts";

/** Debian 12's, the oldest that the accounts and the object store were tried on. */
const OLDEST = [2, 9, 10] as const;

export interface NatsServerOptions {
  /** NATS_SERVER, PATH, HOME and XDG_CACHE_HOME are read from it. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told, in plain lines, when something takes time. */
  readonly onStep?: (line: string) => void;
}

/**
 * The path of a nats-server of at least 2.9.10: the one NATS_SERVER names, else one in PATH, else the one in the cache
 * folder, fetched from the Debian archive where it is not there yet (4 MB, no root needed).
 * Throws CbError "config" where NATS_SERVER names none or the system has no apt, "infrastructure" where the download fails.
 */
export async function natsServerPath(options: NatsServerOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const named = env.NATS_SERVER;
  if (named) return checkNamed(named);
  // The architecture is part of the name, because a home folder may be shared by machines of several.
  const cached = join(folders(env).cache, "tools", `nats-server-${process.arch}`);
  for (const path of [...findPrograms("nats-server", env.PATH), cached]) {
    if (isRecent(await versionOf(path))) return path;
  }
  if (!hasApt()) {
    throw new CbError("config", `nats-server ${OLDEST.join(".")} or newer is missing`, {
      hint: "install it from https://github.com/nats-io/nats-server/releases, in PATH or named by NATS_SERVER",
    });
  }
  await withProgress("Fetching nats-server from the Debian archive", options.onStep ?? (() => {}), () =>
    fetchInto(cached),
  );
  return cached;
}

/**
 * The path of the nats-server of one Debian release, kept in the cache folder beside the others: tests try several.
 * Those of trixie (2.10) and sid (2.15) need libc 2.34, so they run on bookworm. Throws as natsServerPath.
 */
export async function natsServerOf(release: string, options: NatsServerOptions = {}): Promise<string> {
  const cached = join(folders(options.env).cache, "tools", `nats-server-${release}-${process.arch}`);
  if (isRecent(await versionOf(cached))) return cached;
  const { mirror } = await hostAptSettings();
  const source = `deb [check-valid-until=no] ${mirror} ${release} main`;
  const step = `Fetching nats-server of Debian ${release}`;
  await withProgress(step, options.onStep ?? (() => {}), () => fetchInto(cached, source));
  return cached;
}

async function checkNamed(path: string): Promise<string> {
  const version = await versionOf(path);
  if (isRecent(version)) return path;
  const found = version ? `is version ${version.join(".")}` : "is no nats-server";
  throw new CbError("config", `NATS_SERVER=${path} ${found}; ${OLDEST.join(".")} or newer is needed`, {
    hint: "name another, or unset NATS_SERVER to have one found or fetched",
  });
}

/** The numbers of `nats-server: v2.9.10`, or undefined where the program does not answer so. */
async function versionOf(path: string): Promise<number[] | undefined> {
  if (!isExecutable(path)) return undefined;
  const { output } = await runCommand([path, "--version"]);
  return /^nats-server: v(\d+)\.(\d+)\.(\d+)/m.exec(output)?.slice(1).map(Number);
}

export function isRecent(version: readonly number[] | undefined): boolean {
  if (version === undefined) return false;
  const differs = OLDEST.findIndex((number, i) => version[i] !== number);
  return differs === -1 || (version[differs] ?? 0) > (OLDEST[differs] ?? 0);
}

/** Whoever comes second replaces a file by an equal one, so two at once need no lock. */
async function fetchInto(path: string, source?: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const scratch = mkdtempSync(join(dirname(path), ".fetching-"));
  try {
    await aptUnpack("nats-server", scratch, source);
    const found = ["usr/sbin", "usr/bin"].map((folder) => join(scratch, folder, "nats-server")).find(isExecutable);
    if (found === undefined || !isRecent(await versionOf(found))) {
      throw new CbError("config", `the Debian archive in use has no nats-server ${OLDEST.join(".")} or newer`, {
        hint: "install one from https://github.com/nats-io/nats-server/releases, in PATH or named by NATS_SERVER",
      });
    }
    renameSync(found, path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
