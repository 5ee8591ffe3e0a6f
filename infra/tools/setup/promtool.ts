/** Finds promtool, which checks metrics and alert rules, or fetches it from the Debian archive. */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { aptUnpack } from "./apt.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import { withProgress } from "./run-command.ts";

/**
 * The path of promtool: in PATH, else in the cache folder, to which its package is unpacked. The package is not installed, because
 * that would start a Prometheus server on this machine. Throws CbError "infrastructure" with the end of apt's output.
 */
export async function promtoolPath(onStep: (line: string) => void = () => undefined): Promise<string> {
  const [installed] = findPrograms("promtool");
  if (installed !== undefined) return installed;
  const cached = join(folders().cache, "tools", `promtool-${process.arch}`);
  if (isExecutable(cached)) return cached;
  await withProgress("Fetching promtool from the Debian archive", onStep, () => fetchInto(cached));
  return cached;
}

/** Needs no lock: of two processes that fetch at once, the second replaces the file with an equal one. */
async function fetchInto(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const scratch = mkdtempSync(join(dirname(path), ".fetching-"));
  try {
    await aptUnpack("prometheus", scratch);
    renameSync(join(scratch, "usr/bin/promtool"), path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
