/**
 * Detects that a build has filled the builder's disk, and that the disk failed during a build, for example because the disk of
 * its host is full. A program gets a write error only if it waits until its data is written, so a build may succeed and its image
 * still have holes.
 *
 * The build was root on this machine, so nothing that it can replace decides: no program is run, and only records count
 * that the kernel itself wrote.
 */
import { constants } from "node:fs";
import { type FileHandle, open, statfs } from "node:fs/promises";

/** Programs print the error of write(2) in this form; those in Go begin it with a small letter. */
const FULL = /\bno space left on device\b/i;

const GIB = 1024 ** 3;

/**
 * The reason for the user when the end of the output shows that a build has filled its disk; `folder` is on that disk. The programs
 * delete their files when they fail, so the free space tells nothing afterwards.
 */
export async function fullDisk(output: string, folder: string): Promise<string | undefined> {
  if (!FULL.test(output)) return undefined;
  const { blocks, bsize } = await statfs(folder);
  const size = ((blocks * bsize) / GIB).toFixed(1);
  return `the build has filled the builder's disk of ${size} GiB, or a smaller file system on it; make the image smaller, or ask an operator for a larger disk (diskGiB)`;
}

const KERNEL_LOG = "/dev/kmsg";
/** Device number of the kernel log, major 1 and minor 11 (Linux: admin-guide/devices.txt), as stat(2) encodes it. */
const KERNEL_LOG_DEVICE = (1 << 8) | 11;
/** The longest record that the kernel returns (PRINTK_MESSAGE_MAX of Linux 6.12: 2048; 8192 before 6.3). */
const RECORD_BYTES = 8192;
/** More than the ring buffer holds: 1 MiB at most in distributions' kernels, of records of 32 bytes or more. */
const RECORDS_MAX = 40_000;

/** Errors of the disk itself. A config drive is not written, and a recipe may use loop devices as it likes. */
const DISK_ERROR = /I\/O error, dev (?:vd|sd|xvd|nvme)[^\n]{0,200}/;

/**
 * The reason for the user. Undefined when the disk had no error, and in a sandbox, which has no kernel and no /dev/kmsg
 * of its own.
 */
export async function diskFailure(path = KERNEL_LOG): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isCharacterDevice() || status.rdev !== KERNEL_LOG_DEVICE) return undefined;
      return diskFailureIn(await readRecords(file));
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** Returns the records of the kernel log. Each read returns one record. */
async function readRecords(file: FileHandle): Promise<string[]> {
  const records: string[] = [];
  const buffer = Buffer.alloc(RECORD_BYTES);
  while (records.length < RECORDS_MAX) {
    try {
      const { bytesRead } = await file.read(buffer, 0, RECORD_BYTES, null);
      if (bytesRead === 0) break;
      records.push(buffer.toString("utf8", 0, bytesRead));
    } catch (error) {
      // EPIPE: new records have replaced the one to be read; the next read returns the oldest. EAGAIN: there are no more.
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") break;
      records.push("");
    }
  }
  return records;
}

/**
 * The same for records of the form "PREFIX,SEQUENCE,TIME,FLAGS;TEXT". The low three bits of PREFIX are the level, the
 * others the facility. Facility 0 is the kernel's own: the kernel replaces it by 1 in what a process writes to
 * /dev/kmsg (Linux: Documentation/ABI/testing/dev-kmsg).
 */
export function diskFailureIn(records: readonly string[]): string | undefined {
  const error = records
    .map((record) => /^[0-7],[^;]*;([^\n]*)/.exec(record)?.[1] ?? "")
    .map((text) => DISK_ERROR.exec(text)?.[0])
    .find((found) => found !== undefined);
  return error === undefined ? undefined : `the builder's disk failed (is its host's disk full?): ${error}`;
}
