/** Runs an image: with the host's apptainer where there is one, else with the builder's, in a sandbox of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { CbError } from "../../lib/core/errors.ts";
import { runImageInSandbox as runInSandbox } from "../../lib/provider/sandbox/run.ts";
import { findPrograms } from "../tools/setup/find-program.ts";
import type { Notify } from "./up.ts";

export interface RunImage {
  readonly rootfs: string;
  readonly say: Notify;
  /** A sandbox does not die with the terminal: aborting ends it. */
  readonly signal: AbortSignal;
}

/** Throws CbError "infrastructure" when the image does not run. */
export async function runImage(image: string, { rootfs, say, signal }: RunImage): Promise<void> {
  const [apptainer] = findPrograms("apptainer");
  if (apptainer === undefined) say("(in a sandbox: this machine has no apptainer)");
  const code =
    apptainer === undefined
      ? (await runInSandbox(image, { rootfs, stdio: "inherit", signal })).code
      : await onHost(apptainer, image);
  if (code !== 0) throw new CbError("infrastructure", `${image} does not run: exit code ${code}`);
}

async function onHost(apptainer: string, image: string): Promise<number | null> {
  const [code] = (await once(spawn(apptainer, ["run", image], { stdio: "inherit" }), "exit")) as [number | null];
  return code;
}
