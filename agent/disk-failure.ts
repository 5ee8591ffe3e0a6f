/**
 * Detects that the builder's disk failed during a build, for example because the disk of its host is full. A program
 * gets a write error only if it waits until its data is written, so a build may succeed and its image still have holes.
 */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";

/** More than the kernel's ring buffer. */
const KERNEL_LOG_BYTES = 4 * 1024 * 1024;
/** Printing the ring buffer takes milliseconds. */
const DMESG_TIMEOUT_MS = 10_000;

/** Errors of the disk itself. A config drive is not written, and a recipe may use loop devices as it likes. */
const DISK_ERROR = /I\/O error, dev (?:vd|sd|xvd|nvme)[^\n]{0,200}/;

/**
 * The reason for the user. Undefined when the disk had no error, and in a sandbox, which has no kernel and no /dev/kmsg
 * of its own.
 */
export async function diskFailure(): Promise<string | undefined> {
  try {
    await access("/dev/kmsg");
    const options = { timeout: DMESG_TIMEOUT_MS, maxBuffer: KERNEL_LOG_BYTES };
    return diskFailureIn((await promisify(execFile)("dmesg", ["--notime"], options)).stdout);
  } catch {
    return undefined;
  }
}

/** The same for the text of a kernel log. */
export function diskFailureIn(kernelLog: string): string | undefined {
  const error = DISK_ERROR.exec(kernelLog)?.[0];
  return error === undefined ? undefined : `the builder's disk failed (is its host's disk full?): ${error}`;
}
