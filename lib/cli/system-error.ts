/** Errors of system calls that no module has turned into a CbError. They are faults of the machine or the call, not bugs. */
import { CbError, codeOf, messageOf } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";

interface Remedy {
  readonly kind: ErrorKind;
  readonly hint: string;
}

const FILES: Remedy = { kind: "infrastructure", hint: "raise the limit of open files in a new shell: ulimit -n 1024" };
const PROCESSES: Remedy = {
  kind: "infrastructure",
  hint: "end other processes, or raise the limits of processes and memory (ulimit -a shows them)",
};
const SPACE: Remedy = { kind: "output", hint: "free some space there, or choose another directory" };
const PATH: Remedy = { kind: "usage", hint: "check the path and its permissions" };
const RETRY: Remedy = { kind: "infrastructure", hint: "try again later; if it still fails, ask your operator" };

/** By errno(3). */
const REMEDIES: Readonly<Record<string, Remedy>> = {
  EMFILE: FILES,
  ENFILE: FILES,
  EAGAIN: PROCESSES,
  ENOMEM: PROCESSES,
  ENOSPC: SPACE,
  EDQUOT: SPACE,
  EFBIG: SPACE,
  EROFS: SPACE,
  ENOENT: PATH,
  ENOTDIR: PATH,
  EISDIR: PATH,
  EACCES: PATH,
  EPERM: PATH,
  ELOOP: PATH,
  ENAMETOOLONG: PATH,
};

/** CbError for the failure of a system call; every other thrown value as it is. Other errors than those above may be temporary. */
export function fromSystemError(error: unknown): unknown {
  if (error instanceof CbError || !(error instanceof Error) || !("syscall" in error) || !("code" in error))
    return error;
  if (error.syscall === "uv_cwd") {
    return new CbError("usage", "the working directory does not exist any more", {
      hint: "change to another directory: cd ~",
      cause: error,
    });
  }
  const { kind, hint } = REMEDIES[codeOf(error)] ?? RETRY;
  return new CbError(kind, messageOf(error), { hint, cause: error });
}
