/** The testbed's tree: a Debian with OpenStack and its databases. Built once for each version of its sources, and cached. */
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

/** `fake`: nova's fake hypervisor: its machines run nothing. `libvirt`: real machines, emulated by QEMU. */
export type Driver = "fake" | "libvirt";

export const TESTBED_FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Lines of output in the error message when the build fails. */
const TAIL_LINES = 20;

export interface TreeOptions {
  readonly driver: Driver;
  /** Called with a line of text at each step that takes long. */
  readonly onStep: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The folder of the tree. Builds it if it does not exist: 337 s on two idle cores, 219 MB downloaded (docs/testbed.md). Of two
 * concurrent callers one builds, and the other waits. The next call removes the files of an interrupted one. Throws CbError
 * "infrastructure" with the last lines of the failed step, "config" when apt has no Debian archive configured.
 */
export async function ensureTree({ driver, onStep, signal }: TreeOptions): Promise<string> {
  const cache = join(folders().cache, "testbed");
  const key = `${sourceKey(driver)}-${driver}`;
  if (existsSync(join(cache, key))) return join(cache, key);
  mkdirSync(cache, { recursive: true });
  // The tree contains setuid programs, so no other user may reach it.
  chmodSync(cache, 0o700);
  await withProgress("Building the OpenStack testbed", onStep, () => build({ cache, key, driver, signal, onStep }));
  return join(cache, key);
}

/** A hash of all sources of the tree, and of the CPU architecture. */
function sourceKey(driver: Driver): string {
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

interface TreeBuild extends TreeOptions {
  readonly cache: string;
  readonly key: string;
}

async function build({ cache, key, driver, signal, onStep }: TreeBuild): Promise<void> {
  const apt = await hostAptSettings();
  const env = { ...process.env, CB_MIRROR: apt.mirror, CB_APT_CONF: apt.conf };
  const argv = [join(cache, "lock"), "bash", join(TESTBED_FOLDER, "make-tree.sh"), cache, key, driver];
  // Its own process group, so that one signal reaches all its processes.
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
    const message = `the OpenStack testbed could not be built:\n${tail.join("\n")}`;
    throw new CbError("infrastructure", message, {
      hint: "is the Debian mirror reachable? set CB_MIRROR to use another",
    });
  } finally {
    signal.removeEventListener("abort", stop);
    process.removeListener("exit", stop);
  }
}
