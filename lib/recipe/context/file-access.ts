/** Looking at one thing on the caller's disk; whatever cannot be read is an error that names it. */
import { closeSync, constants, lstatSync, openSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { CbError, messageOf } from "../../core/errors.ts";
import { type BytePath, shown, toBytes } from "./byte-path.ts";

/** What is there itself, a link as a link; undefined when nothing is. Throws CbError "usage" when that cannot be told. */
export const lookAt = (path: BytePath): Stats | undefined =>
  orNothing(path, () => lstatSync(toBytes(path), { throwIfNoEntry: false }));

/** What a link leads to; undefined when it leads nowhere. Throws as `lookAt`. */
export const lookThrough = (path: BytePath): Stats | undefined =>
  orNothing(path, () => statSync(toBytes(path), { throwIfNoEntry: false }));

/** Without any link in it; undefined when it leads nowhere. Throws as `lookAt`. */
export const realPath = (path: BytePath): BytePath | undefined =>
  orNothing(path, () => realpathSync.native(toBytes(path), "latin1" as "utf8"));

export const linkTarget = (path: BytePath): string =>
  orNothing(path, () => readlinkSync(toBytes(path), "latin1" as "utf8")) ?? "";

/** Throws CbError "usage" when the content of a file cannot be read: packing would fail in the middle. */
export function checkReadable(path: BytePath): void {
  orUnreadable(path, () => tryToOpen(path));
}

export function isReadable(path: BytePath): boolean {
  try {
    tryToOpen(path);
    return true;
  } catch {
    return false;
  }
}

/** access(2) asks for another user than tar will be where the two ids of a process differ, and trusts servers that refuse later. */
function tryToOpen(path: BytePath): void {
  closeSync(openSync(toBytes(path), constants.O_RDONLY | constants.O_NONBLOCK));
}

/** Nothing but what was found can be missing: no such name, or a file where a folder would have to be. */
const NOTHING = ["ENOENT", "ENOTDIR", "ELOOP"];

function orNothing<T>(path: BytePath, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && "code" in error && NOTHING.includes(String(error.code))) return undefined;
    throw unreadable(path, error);
  }
}

export function orUnreadable<T>(path: BytePath, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: BytePath, cause: unknown): CbError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
  return new CbError("usage", `cannot read ${shown(path)} (${code})`, {
    hint: "make it readable for yourself, or keep it out of what is sent: by the recipe, or in .cbignore",
    cause,
  });
}
