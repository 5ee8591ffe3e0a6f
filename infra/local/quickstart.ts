/** From nothing to a container image, in front of somebody's eyes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join, resolve } from "node:path";
import { interruptSignal } from "../../lib/cli/interrupt.ts";
import { folders } from "../../lib/config/folders.ts";
import { CbError } from "../../lib/core/errors.ts";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";
import { runImage } from "./run-image.ts";
import { DIST, type Notify, up } from "./up.ts";

const PROJECT = dirname(DIST);
const RECIPE = join("examples", "hello.def");
const IMAGE = "hello.sif";

/** Throws CbError as `up` does, and "infrastructure" when the example does not build. */
export async function quickstart(say: Notify): Promise<void> {
  const startedMs = performance.now();
  const interrupted = interruptSignal();
  await up(say, interrupted);
  say(`The local stack is up (${seconds(startedMs)}).`);
  say(`\n$ container-builder --force ${IMAGE} ${RECIPE}`);
  const beforeMs = performance.now();
  await run("container-builder", ["--force", IMAGE, RECIPE]);
  say(`Built in ${seconds(beforeMs)}.`);
  say(`\n$ apptainer run ${IMAGE}`);
  const rootfs = await ensureRootfs({ cacheDir: folders().cache });
  await runImage(join(PROJECT, IMAGE), { rootfs, say, signal: interrupted });
  interrupted.throwIfAborted();
  say("\n$ cb-status");
  await run("cb-status", []);
  say(howToGoOn(startedMs));
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(DIST, "bin", program), args, { cwd: PROJECT, stdio: "inherit", env: withoutNats() });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new CbError("infrastructure", `${program} ended with exit code ${code}`);
}

/** The quick start shows the local stack, also to somebody whose environment names a site's queue. */
function withoutNats(): NodeJS.ProcessEnv {
  const { NATS_URL: _url, NATS_CREDS: _creds, QUEUE_HOST: _host, ...rest } = process.env;
  return rest;
}

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

const howToGoOn = (startedMs: number): string => `
Done in ${seconds(startedMs)}. To go on:

  export PATH="${resolve(DIST, "bin")}:$PATH"
  container-builder my.sif my.def     build your own recipe
  cb-status                           see the builders
  cb-local down                       stop it all; "cb-local up" starts it again`;
