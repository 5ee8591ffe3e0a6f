/** Starts and stops the testbed: an OpenStack in its own namespaces. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { withProgress } from "../../../infra/tools/setup/run-command.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { Box } from "./box.ts";
import { ensureTree, TESTBED_FOLDER, type TreeOptions } from "./tree.ts";

/** A start took 35 s on two idle cores, and 85 to 206 s at a load of 10 to 20 (docs/testbed.md). */
const UP_LIMIT_MS = 600_000;
/** Lines of output in the error message; enough for the last steps. */
const TAIL_LINES = 20;

export interface Testbed {
  readonly box: Box;
  /** Resolves when all its processes have ended. */
  stop(): Promise<void>;
}

/**
 * Resolves when OpenStack replies. The testbed never outlives this process, even after SIGKILL: the kernel then kills the first
 * process of the testbed's namespaces, and with it all other processes, the mounts, the network, and all written files, which
 * are in memory. Throws CbError "infrastructure" when the start fails; see ensureTree for the rest.
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
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
  };
  const tail: string[] = [];
  let pid = 0;
  const up = new Promise<Box>((resolve, reject) => {
    const fail = (failure: string): void => {
      reject(new CbError("infrastructure", `the OpenStack testbed ${failure}:\n${tail.join("\n")}`));
    };
    const onLine = (line: string): void => {
      if (line.startsWith("pid ")) pid = Number(line.slice(4));
      else if (line === "up") resolve(new Box(pid));
      else if (/^\[ *\d+ s\] /.test(line)) onStep(`  ${line}`);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    };
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
    void closed.then(() => fail("ended during its start"));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(UP_LIMIT_MS)]);
    limit.addEventListener("abort", () =>
      fail(signal.aborted ? "was interrupted" : `did not start within ${UP_LIMIT_MS / 1000} s`),
    );
  });
  try {
    return { box: await up, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
