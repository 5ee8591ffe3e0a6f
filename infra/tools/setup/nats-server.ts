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
/** Where newer servers are than in most distributions, the newest first: 2.15 and 2.10. They need libc 2.34; Debian 12 has 2.36. */
const NEWEST_RELEASES = ["sid", "trixie"] as const;

export interface NatsServerOptions {
  /** Holds NATS_SERVER, PATH, HOME and XDG_CACHE_HOME. Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with a line for each step that takes time. */
  readonly onStep?: (line: string) => void;
}

/**
 * Returns the path of a nats-server 2.9.10 or newer: the one that NATS_SERVER names, or the first in PATH, or the newest in the cache
 * folder. If there is none, it fetches the newest of Debian's archive that runs on this machine (15 MB with the list of packages, without
 * root), and where the mirror has no other release, the one of this machine's own release. Throws CbError "config" when NATS_SERVER names
 * an unusable program or the system has no apt, "infrastructure" when no download succeeds.
 */
export async function natsServerPath(options: NatsServerOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const named = env.NATS_SERVER;
  if (named) return checkVersion(named);
  const sources = [...NEWEST_RELEASES, undefined];
  const cached = sources.map((release) => cachedPath(release, env));
  for (const path of [...findPrograms("nats-server", env.PATH), ...cached]) {
    if (isRecent(await versionOf(path))) return path;
  }
  if (!hasApt()) {
    throw new CbError("config", `nats-server ${OLDEST.join(".")} or newer is missing`, {
      hint: "install it from https://github.com/nats-io/nats-server/releases, in PATH or named by NATS_SERVER",
    });
  }
  for (const release of NEWEST_RELEASES) {
    const path = await fetchRelease(release, options).catch((error: unknown) => {
      if (!(error instanceof CbError)) throw error;
      options.onStep?.(`  Debian ${release} has none for this machine: ${error.message.split("\n").at(-1)}`);
    });
    if (path !== undefined) return path;
  }
  return fetchRelease(undefined, options);
}

/** Returns the path of the nats-server of one Debian release, cached beside the others. Throws as natsServerPath does. */
export async function natsServerOf(release: string, options: NatsServerOptions = {}): Promise<string> {
  const cached = cachedPath(release, options.env);
  return isRecent(await versionOf(cached)) ? cached : fetchRelease(release, options);
}

/** `release`: one of Debian; undefined: that of this machine. */
async function fetchRelease(release: string | undefined, options: NatsServerOptions): Promise<string> {
  const path = cachedPath(release, options.env);
  const source = release && `deb [check-valid-until=no] ${(await hostAptSettings(options.env)).mirror} ${release} main`;
  const step = `Fetching nats-server ${release ? `of Debian ${release}` : "of this machine's release"}`;
  await withProgress(step, options.onStep ?? (() => {}), () => fetchInto(path, source));
  return path;
}

/** The architecture is part of the name, because machines of several architectures may mount the same home folder. */
function cachedPath(release = "host", env: NatsServerOptions["env"] = process.env): string {
  return join(folders(env).cache, "tools", `nats-server-${release}-${process.arch}`);
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
      throw new CbError(
        "config",
        `the Debian archive in use has no nats-server ${OLDEST.join(".")} or newer that runs here`,
        {
          hint: "install one from https://github.com/nats-io/nats-server/releases, in PATH or named by NATS_SERVER",
        },
      );
    }
    renameSync(found, path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
