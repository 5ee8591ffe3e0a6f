/** Starts the local stack, builds the example image and runs it, and prints each command that a user would type. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join, resolve } from "node:path";
import { interruptSignal } from "../../lib/cli/interrupt.ts";
import { folders } from "../../lib/config/folders.ts";
import { CbError } from "../../lib/core/errors.ts";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";
import { runImageInSandbox } from "../../lib/provider/sandbox/run.ts";
import { findPrograms } from "../tools/setup/find-program.ts";
import { DIST, type Notify, up } from "./up.ts";

const PROJECT = dirname(DIST);
const RECIPE = join("examples", "hello.def");
const IMAGE = "hello.sif";

/** Throws CbError as `up` does, and "infrastructure" when the example does not build or its image does not run. */
export async function quickstart(notify: Notify): Promise<void> {
  const startedMs = performance.now();
  const interrupted = interruptSignal();
  await up(notify, interrupted);
  notify(`The local stack is up (${seconds(startedMs)}).`);
  notify(`\n$ container-builder --force ${IMAGE} ${RECIPE}`);
  const buildStartedMs = performance.now();
  await run("container-builder", ["--force", IMAGE, RECIPE]);
  notify(`Built in ${seconds(buildStartedMs)}.`);
  notify(`\n$ apptainer run ${IMAGE}`);
  await runImage(join(PROJECT, IMAGE), notify, interrupted);
  interrupted.throwIfAborted();
  notify("\n$ cb-status");
  await run("cb-status", []);
  notify(nextSteps(startedMs));
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(DIST, "bin", program), args, { cwd: PROJECT, stdio: "inherit", env: withoutNats() });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new CbError("infrastructure", `${program} ended with exit code ${code}`);
}

/** The quick start shows the local stack, even if the user's environment names the queue of a site. */
function withoutNats(): NodeJS.ProcessEnv {
  const { NATS_URL: _url, NATS_CREDS: _creds, QUEUE_HOST: _host, ...rest } = process.env;
  return rest;
}

/**
 * Runs the image with the host's apptainer, or else with the builder's in a sandbox. An abort of `signal` ends the sandbox, which
 * does not end with the terminal. Throws CbError "infrastructure" when the image does not run.
 */
async function runImage(image: string, notify: Notify, signal: AbortSignal): Promise<void> {
  const [apptainer] = findPrograms("apptainer");
  let code: number | null;
  if (apptainer !== undefined) {
    [code] = (await once(spawn(apptainer, ["run", image], { stdio: "inherit" }), "exit")) as [number | null];
  } else {
    notify("(in a sandbox: this machine has no apptainer)");
    const rootfs = await ensureRootfs({ cacheDir: folders().cache });
    ({ code } = await runImageInSandbox(image, { rootfs, stdio: "inherit", signal }));
  }
  if (code !== 0) throw new CbError("infrastructure", `${image} does not run: exit code ${code}`);
}

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

const nextSteps = (startedMs: number): string => `
Done in ${seconds(startedMs)}. To go on:

  export PATH="${resolve(DIST, "bin")}:$PATH"
  container-builder my.sif my.def     build your own recipe
  cb-status                           show the builders
  cb-local down                       stop the stack; "cb-local up" starts it again`;
