/** Debian packages: installed as root, or downloaded and unpacked into a folder without root. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { findPrograms } from "./find-program.ts";
import { runCommand } from "./run-command.ts";

/** Two of our own processes must not meet at apt's lists, for which apt itself does not wait. */
const LOCK = "/run/lock/container-builder-apt.lock";
/** Unattended upgrades may hold dpkg's lock for minutes. */
const INSTALL = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"] as const;

export function hasApt(): boolean {
  return findPrograms("apt-get").length > 0;
}

/**
 * Installs packages; needs root. The package lists are fetched only when they turn out to be missing or out of date.
 * Throws CbError "infrastructure" with the end of apt's output.
 */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  const apt = (...args: string[]) => runCommand(["flock", LOCK, "apt-get", ...args]);
  const first = await apt(...INSTALL, ...packages);
  if (first.code === 0) return;
  const update = await apt("update");
  const second = await apt(...INSTALL, ...packages);
  if (second.code === 0) return;
  throw new CbError("infrastructure", `apt-get could not install ${packages.join(" ")}\n${second.output.trimEnd()}`, {
    hint: `run it by hand to see more: apt-get update && apt-get install -y ${packages.join(" ")}`,
    cause: update.code === 0 ? undefined : new Error(`apt-get update failed: ${update.output.trimEnd()}`),
  });
}

/**
 * Downloads a package and unpacks it into `into`, without root and without installing it: no script of the package
 * runs. `source` is a line of sources.list(5) to take it from; default: what the system has. Throws CbError
 * "infrastructure" with the end of apt's output.
 */
export async function aptUnpack(name: string, into: string, source?: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "cb-apt-"));
  try {
    const deb = await download(name, scratch, source);
    const unpacked = await runCommand(["dpkg", "-x", deb, into]);
    if (unpacked.code !== 0) throw new CbError("infrastructure", `cannot unpack ${deb}: ${unpacked.output.trim()}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** With the system's package lists; with lists fetched for this once for another source, or where those are out of date. */
async function download(name: string, scratch: string, source?: string): Promise<string> {
  const first = source === undefined ? await runCommand(["apt-get", "download", name], { cwd: scratch }) : undefined;
  if (first?.code !== 0) {
    const own = [
      ...(source === undefined ? [] : [`Dir::Etc::SourceList=${scratch}/sources.list`, "Dir::Etc::SourceParts=-"]),
      `Dir::State::Lists=${scratch}/lists`,
      `Dir::Cache=${scratch}/cache`,
      "APT::Sandbox::User=root",
    ].flatMap((setting) => ["-o", setting]);
    mkdirSync(join(scratch, "lists/partial"), { recursive: true });
    mkdirSync(join(scratch, "cache/archives/partial"), { recursive: true });
    if (source !== undefined) writeFileSync(join(scratch, "sources.list"), `${source}\n`);
    const update = await runCommand(["apt-get", ...own, "update"]);
    const second = await runCommand(["apt-get", ...own, "download", name], { cwd: scratch });
    if (second.code !== 0) {
      const said = `${update.code === 0 ? "" : update.output}${second.output}`.trimEnd();
      throw new CbError("infrastructure", `apt-get could not download ${name}\n${said}`, {
        hint: "is the Debian mirror reachable? See /etc/apt/sources.list and sources.list.d",
      });
    }
  }
  const deb = readdirSync(scratch).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new CbError("infrastructure", `apt-get download ${name} left no .deb file`);
  return join(scratch, deb);
}
