/**
 * Whether this machine's disk failed under a build: its host's disk may be full. A program learns of it only if it waits for its
 * data to be written, so an image may have holes that nobody noticed.
 */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";

/** The kernel's ring buffer is smaller; printing it takes no time. */
const KERNEL_LOG_BYTES = 4 * 1024 * 1024;
const PATIENCE_MS = 10_000;

/** Of the disk itself: a config drive does not matter, and what a recipe does with loop devices is its own affair. */
const FAILED = /I\/O error, dev (?:vd|sd|xvd|nvme)[^\n]{0,200}/;

/** Undefined where all is well. A sandbox has no kernel of its own to ask, and no /dev/kmsg. */
export async function diskFailure(): Promise<string | undefined> {
  try {
    await access("/dev/kmsg");
    const options = { timeout: PATIENCE_MS, maxBuffer: KERNEL_LOG_BYTES };
    return diskFailureIn((await promisify(execFile)("dmesg", ["--notime"], options)).stdout);
  } catch {
    return undefined;
  }
}

/** Of what the kernel has said. */
export function diskFailureIn(kernelLog: string): string | undefined {
  const error = FAILED.exec(kernelLog)?.[0];
  return error === undefined ? undefined : `the builder's disk failed (is its host's disk full?): ${error}`;
}
