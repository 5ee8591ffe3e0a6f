/**
 * Finds a nats-server, or fetches one. The Debian package is unpacked into the cache folder and not installed, because its
 * installation would start a system-wide server on port 4222.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { aptUnpack, hasApt } from "./apt.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import { runCommand, withProgress } from "./run-command.ts";

/** The version of Debian 12, the oldest on which accounts and the object store were tested. */
const OLDEST = [2, 9, 10] as const;

export interface NatsServerOptions {
  /** Holds NATS_SERVER, PATH, HOME and XDG_CACHE_HOME. Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with a line for each step that takes time. */
  readonly onStep?: (line: string) => void;
}

/**
 * Returns the path of a nats-server 2.9.10 or newer: the one that NATS_SERVER names, or the first in PATH, or the one in the cache
 * folder, which is fetched from the Debian archive first if it is missing (4 MB, without root). Throws CbError "config" when
 * NATS_SERVER names an unusable program or the system has no apt, "infrastructure" when the download fails.
 */
export async function natsServerPath(options: NatsServerOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const named = env.NATS_SERVER;
  if (named) return checkVersion(named);
  // The architecture is part of the name, because machines of several architectures may mount the same home folder.
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
 * Returns the path of the nats-server of one Debian release, for tests on several versions. It is cached beside the others. The
 * servers of trixie (2.10) and sid (2.15) need libc 2.34, so they run on bookworm. Throws as natsServerPath does.
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

async function checkVersion(path: string): Promise<string> {
  const version = await versionOf(path);
  if (isRecent(version)) return path;
  const found = version ? `is version ${version.join(".")}` : "is no nats-server";
  throw new CbError("config", `NATS_SERVER=${path} ${found}; ${OLDEST.join(".")} or newer is needed`, {
    hint: "name another program, or unset NATS_SERVER, so that one is found in PATH or fetched",
  });
}

/** Returns the numbers in the output `nats-server: v2.9.10`, or undefined when the program prints something else. */
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

/** Needs no lock: of two processes that fetch at once, the second replaces the file with an equal one. */
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
