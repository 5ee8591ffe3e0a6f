/** Finds credential files that other users can read. */
import { stat } from "node:fs/promises";

const GROUP_OR_OTHERS = 0o044;
const OTHERS = 0o004;

interface Ownership {
  /** Of the file. */
  readonly uid: number;
  readonly mode: number;
}

/**
 * A sentence with the remedy when users other than the owner can read the file; undefined otherwise. A file of another owner may be
 * readable for a group: that is how cb-queue reads the one of root, and how a group shares one. The mask of an ACL is the mode of
 * the group.
 */
export function exposure(path: string, { uid, mode }: Ownership, ownUid: number): string | undefined {
  if (uid === ownUid)
    return (mode & GROUP_OR_OTHERS) === 0
      ? undefined
      : `other users can read the credential ${path}: chmod 600 ${path}`;
  if ((mode & OTHERS) === 0) return undefined;
  return `all users can read the credential ${path}: its owner should run chmod o-r ${path}`;
}

/** The same for a file. Undefined, too, when it cannot be examined, which its reader reports. */
export async function exposureOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : exposure(path, found, process.geteuid?.() ?? found.uid);
}
