/**
 * Finds programs of Debian packages that are unpacked into the cache folder and not installed, because their installation would start a
 * service on this machine.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { aptUnpack } from "./apt.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import { withProgress } from "./run-command.ts";

type OnStep = (line: string) => void;

/** Checks metrics and alert rules. Its package starts a Prometheus server. */
export const promtoolPath = (onStep?: OnStep): Promise<string> => programPath("promtool", "prometheus", onStep);

/** Its package starts a registry on port 5000. */
export const dockerRegistryPath = (onStep?: OnStep): Promise<string> =>
  programPath("docker-registry", "docker-registry", onStep);

/**
 * The path of the program: in PATH, else in the cache folder, to which its package is unpacked. Throws CbError "infrastructure" with the
 * end of apt's output.
 */
async function programPath(name: string, debianPackage: string, onStep: OnStep = () => undefined): Promise<string> {
  const [installed] = findPrograms(name);
  if (installed !== undefined) return installed;
  // The architecture is part of the name, because machines of several architectures may mount the same home folder.
  const cached = join(folders().cache, "tools", `${name}-${process.arch}`);
  if (isExecutable(cached)) return cached;
  const step = `Fetching ${name} from the Debian archive`;
  await withProgress(step, onStep, () => fetchInto(cached, name, debianPackage));
  return cached;
}

/** Needs no lock: of two processes that fetch at once, the second replaces the file with an equal one. */
async function fetchInto(path: string, name: string, debianPackage: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const scratch = mkdtempSync(join(dirname(path), ".fetching-"));
  try {
    await aptUnpack(debianPackage, scratch);
    renameSync(join(scratch, "usr/bin", name), path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
