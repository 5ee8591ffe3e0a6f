/** Decides from an error code of open(2), read(2), stat(2) or getdents(2) which kind of failure it is, and what to do. */
import { CbError, codeOf } from "./errors.ts";
import type { ErrorKind } from "./exit-codes.ts";

export interface ReadFailure {
  readonly kind: ErrorKind;
  readonly hint: string;
}

const NOT_READABLE = "make it readable for your user, remove it from the recipe, or list it in .cbignore";
const DISK = "the disk or the file server of this machine failed: try again, or ask its administrator";
const EXHAUSTED = "this machine has no more open files or memory: end other programs, or raise `ulimit -n`";

/** The codes of errno(3) that reading can give and that need another kind or hint than a missing right. */
const FAILURES: Readonly<Record<string, ReadFailure>> = {
  ENAMETOOLONG: { kind: "usage", hint: "shorten it: a name has at most 255 bytes, a path 4095" },
  ELOOP: { kind: "usage", hint: "correct the symbolic link: it leads in a circle" },
  EISDIR: { kind: "usage", hint: "name a file instead of a folder" },
  ENOTDIR: { kind: "usage", hint: "correct the path: one of its folders is a file" },
  ENOENT: { kind: "usage", hint: "do not delete files of the recipe while they are read, and try again" },
  EINVAL: { kind: "usage", hint: "name a regular file" },
  ENXIO: { kind: "usage", hint: "name a regular file: no program serves this pipe, socket or device" },
  ERR_INVALID_ARG_VALUE: { kind: "usage", hint: "remove the NUL character from the path" },
  EIO: { kind: "infrastructure", hint: DISK },
  ESTALE: { kind: "infrastructure", hint: DISK },
  ETIMEDOUT: { kind: "infrastructure", hint: DISK },
  ENODEV: { kind: "infrastructure", hint: DISK },
  ENOTCONN: { kind: "infrastructure", hint: DISK },
  EHOSTDOWN: { kind: "infrastructure", hint: DISK },
  EREMOTEIO: { kind: "infrastructure", hint: DISK },
  EAGAIN: { kind: "infrastructure", hint: DISK },
  EMFILE: { kind: "infrastructure", hint: EXHAUSTED },
  ENFILE: { kind: "infrastructure", hint: EXHAUSTED },
  ENOMEM: { kind: "infrastructure", hint: EXHAUSTED },
};

/** "usage" when the caller can correct the path or its rights; "infrastructure" when the same call may work later. */
export const readFailure = (code: string): ReadFailure => FAILURES[code] ?? { kind: "usage", hint: NOT_READABLE };

/** The error for a file of settings that cannot be read: "infrastructure" when the machine failed, otherwise "config" with `hint`. */
export function settingsFailure(message: string, cause: unknown, hint?: string): CbError {
  const failure = readFailure(codeOf(cause));
  if (failure.kind === "infrastructure") return new CbError(failure.kind, message, { hint: failure.hint, cause });
  return new CbError("config", message, { ...(hint === undefined ? {} : { hint }), cause });
}
