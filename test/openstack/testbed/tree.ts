/** The testbed's tree, OpenStack with its databases: made once per recipe, kept in the cache folder. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { withProgress } from "../../../infra/tools/setup/run-command.ts";
import { folders } from "../../../lib/config/folders.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";

/** `fake`: everything is real but the machines. `libvirt`: they are too, under QEMU's emulation. */
export type Driver = "fake" | "libvirt";

export const TESTBED_FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Lines of output that go into the error when it fails. */
const TAIL_LINES = 20;

export interface TreeOptions {
  readonly driver: Driver;
  /** Told, in plain lines, when something takes time. */
  readonly onStep: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The folder of the tree, made first if it is not there (about three minutes, 219 MB fetched). Two callers at once make one: the
 * second waits. An interrupted call leaves nothing that the next does not sweep. Throws CbError "infrastructure" with the last lines
 * of what failed, "config" where apt names no Debian archive.
 */
export async function ensureTree({ driver, onStep, signal }: TreeOptions): Promise<string> {
  const cache = join(folders().cache, "testbed");
  const key = `${recipeKey(driver)}-${driver}`;
  if (existsSync(join(cache, key))) return join(cache, key);
  mkdirSync(cache, { recursive: true });
  // The tree holds programs that run as root whoever starts them.
  chmodSync(cache, 0o700);
  await withProgress("Making the OpenStack testbed", onStep, () => make({ cache, key, driver, signal, onStep }));
  return join(cache, key);
}

/** Changes when anything that goes into the tree does. */
function recipeKey(driver: Driver): string {
  const hash = createHash("sha256").update(process.arch);
  const parts = ["tree", `tree-${driver}`, "packages.txt", "packages-libvirt.txt", "box.sh", "make-tree.sh"];
  for (const part of parts) {
    for (const path of filesOf(join(TESTBED_FOLDER, part))) {
      hash.update(`\n${path.slice(TESTBED_FOLDER.length)}\n`).update(readFileSync(path));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  return names.map((name) => join(path, name)).filter((name) => statSync(name).isFile());
}

interface Making extends TreeOptions {
  readonly cache: string;
  readonly key: string;
}

async function make({ cache, key, driver, signal, onStep }: Making): Promise<void> {
  const apt = await hostAptSettings();
  const env = { ...process.env, CB_MIRROR: apt.mirror, CB_APT_CONF: apt.conf };
  const argv = [join(cache, "lock"), "bash", join(TESTBED_FOLDER, "make-tree.sh"), cache, key, driver];
  // A process group of its own, so that stopping it stops all of it.
  const child = spawn("flock", argv, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const tail: string[] = [];
  const onLine = (line: string): void => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    if (/^\[ *\d+ s\] /.test(line)) onStep(`  ${line}`);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
  const stop = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
  };
  signal.addEventListener("abort", stop);
  process.once("exit", stop);
  if (signal.aborted) stop();
  try {
    const code = await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
    if (code === 0) return;
    const message = `the OpenStack testbed could not be made:\n${tail.join("\n")}`;
    throw new CbError("infrastructure", message, { hint: "is the Debian mirror reachable? CB_MIRROR names another" });
  } finally {
    signal.removeEventListener("abort", stop);
    process.removeListener("exit", stop);
  }
}
