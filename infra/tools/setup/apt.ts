/** Installs Debian packages as root, or unpacks them into a folder without root. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { findPrograms } from "./find-program.ts";
import { runCommand } from "./run-command.ts";

/** Serializes our own processes: apt-get does not wait for the lock of its package lists. */
const LOCK = "/run/lock/container-builder-apt.lock";
/** Waits 300 s for dpkg's lock, which unattended upgrades hold for minutes. */
const INSTALL = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"] as const;

export function hasApt(): boolean {
  return findPrograms("apt-get").length > 0;
}

/**
 * Installs packages; needs root. Fetches the package lists only when the first attempt fails, because they may be missing or out
 * of date. Throws CbError "infrastructure" with the end of apt's output.
 */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  const apt = (...args: string[]) => runCommand(["flock", LOCK, "apt-get", ...args]);
  const first = await apt(...INSTALL, ...packages);
  if (first.code === 0) return;
  const update = await apt("update");
  const second = await apt(...INSTALL, ...packages);
  if (second.code === 0) return;
  throw new CbError("infrastructure", `apt-get could not install ${packages.join(" ")}\n${second.output.trimEnd()}`, {
    hint: `to see all output, run: apt-get update && apt-get install -y ${packages.join(" ")}`,
    cause: update.code === 0 ? undefined : new Error(`apt-get update failed: ${update.output.trimEnd()}`),
  });
}

/**
 * Downloads a package and unpacks it into the folder `into`. It needs no root, does not install the package and runs none of its
 * scripts. `source` is the line of sources.list(5) to download from; default: the system's sources. Throws CbError
 * "infrastructure" with the end of apt's output.
 */
export async function aptUnpack(name: string, into: string, source?: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "cb-apt-"));
  try {
    await unpackDeb(await aptDownload(name, scratch, source), into);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Throws CbError "infrastructure" with dpkg's output. */
export async function unpackDeb(deb: string, into: string): Promise<void> {
  const unpacked = await runCommand(["dpkg", "-x", deb, into]);
  if (unpacked.code !== 0) throw new CbError("infrastructure", `cannot unpack ${deb}: ${unpacked.output.trim()}`);
}

/**
 * Downloads a package into the empty folder `scratch`, checks its signature as apt does, and returns its path. Uses the system's package lists
 * first. Fetches lists of its own for another source, or when the system's are out of date. Throws as aptUnpack does.
 */
export async function aptDownload(name: string, scratch: string, source?: string): Promise<string> {
  const first = source === undefined ? await runCommand(["apt-get", "download", name], { cwd: scratch }) : undefined;
  if (first?.code !== 0) {
    const own = [
      ...(source === undefined ? [] : [`Dir::Etc::SourceList=${scratch}/sources.list`, "Dir::Etc::SourceParts=-"]),
      `Dir::State::Lists=${scratch}/lists`,
      `Dir::Cache=${scratch}/cache`,
      // Otherwise apt chooses the installed version, which another release does not have.
      "Dir::State::status=/dev/null",
      "APT::Sandbox::User=root",
    ].flatMap((setting) => ["-o", setting]);
    mkdirSync(join(scratch, "lists/partial"), { recursive: true });
    mkdirSync(join(scratch, "cache/archives/partial"), { recursive: true });
    if (source !== undefined) writeFileSync(join(scratch, "sources.list"), `${source}\n`);
    const update = await runCommand(["apt-get", ...own, "update"]);
    const second = await runCommand(["apt-get", ...own, "download", name], { cwd: scratch });
    if (second.code !== 0) {
      const output = `${update.code === 0 ? "" : update.output}${second.output}`.trimEnd();
      throw new CbError("infrastructure", `apt-get could not download ${name}\n${output}`, {
        hint: "is the Debian mirror reachable? See /etc/apt/sources.list and sources.list.d",
      });
    }
  }
  const deb = readdirSync(scratch).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new CbError("infrastructure", `apt-get download ${name} left no .deb file`);
  return join(scratch, deb);
}
