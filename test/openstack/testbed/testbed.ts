/** Starts the testbed, and ends it with everything in it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { withProgress } from "../../../infra/tools/setup/run-command.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { Box } from "./box.ts";
import { ensureTree, TESTBED_FOLDER, type TreeOptions } from "./tree.ts";

/** Saved it took 25 s; on cores that others keep busy it may take several times that. */
const UP_LIMIT_MS = 600_000;
/** Enough for what the last steps said. */
const TAIL_LINES = 20;

export interface Testbed {
  readonly box: Box;
  /** Resolves when every process of it is gone. */
  stop(): Promise<void>;
}

/**
 * OpenStack, answering. Nothing outlives this process, however it ends: the kernel ends the first process of the testbed's
 * namespaces with it, and with that one every other, every mount, the network, and all that was written, which is in memory.
 * Throws CbError "infrastructure" or "config".
 */
export async function startTestbed(options: TreeOptions): Promise<Testbed> {
  const tree = await ensureTree(options);
  return withProgress("Starting the OpenStack testbed", options.onStep, () => start(tree, options));
}

async function start(tree: string, { onStep, signal }: TreeOptions): Promise<Testbed> {
  const namespaces = ["--mount", "--pid", "--net", "--fork", "--kill-child=KILL", "--propagation", "private"];
  const box = ["bash", join(TESTBED_FOLDER, "box.sh"), tree, "run"];
  const argv = ["--pdeathsig", "KILL", "unshare", ...namespaces, ...box];
  const child = spawn("setpriv", argv, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  const tail: string[] = [];
  let pid = 0;
  const up = new Promise<Box>((resolve, reject) => {
    const fail = (what: string): void => {
      reject(new CbError("infrastructure", `the OpenStack testbed ${what}:\n${tail.join("\n")}`));
    };
    const onLine = (line: string): void => {
      if (line.startsWith("pid ")) pid = Number(line.slice(4));
      else if (line === "up") resolve(new Box(pid));
      else if (/^\[ *\d+ s\] /.test(line)) onStep(`  ${line}`);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    };
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
    void gone.then(() => fail("ended before it was up"));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(UP_LIMIT_MS)]);
    limit.addEventListener("abort", () => fail(signal.aborted ? "was interrupted" : "did not come up"));
  });
  try {
    return { box: await up, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
