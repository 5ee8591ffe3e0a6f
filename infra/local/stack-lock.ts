/** Lets one command at a time start or stop the local stack; another command waits for it. */
import { mkdirSync } from "node:fs";
import { withFolderLock } from "../tools/folder-lock.ts";
import type { Layout } from "./layout.ts";

/** The first `up` creates the root file system, which takes one to two minutes. */
const WAIT_S = 600;

/** Throws as withFolderLock(): CbError "infrastructure" when another command still holds the lock after 10 minutes. */
export function withStackLock<T>({ root }: Layout, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  return withFolderLock(
    root,
    { waitS: WAIT_S, holder: "another command starts or stops the local stack", signal },
    work,
  );
}
