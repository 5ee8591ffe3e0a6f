/** Checks that the files of all hosts are those of the answers and the keys, and that modes and owners protect the secrets. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Site } from "../answers/site-schema.ts";
import { allFiles } from "../files/all-files.ts";
import { openKeys } from "../keys/open-keys.ts";
import type { SiteFolder } from "../site-folder.ts";
import { type Change, changesOf } from "../tree/changes.ts";
import { readTree } from "../tree/disk-tree.ts";
import type { Fault } from "./fault.ts";

const FAULTS: Readonly<Record<Change["kind"], string>> = {
  new: "is missing",
  changed: "does not have the content that site.yaml and the keys give",
  mode: "has another mode than files.txt states",
  removed: "belongs to no host of site.yaml",
};

/** The files of the hosts. Call it when the keys have no fault: then it makes none. */
export async function checkHostFiles(site: Site, folder: SiteFolder, nowMs: number): Promise<Fault[]> {
  const { keys } = await openKeys(site, folder, nowMs);
  const present = await readTree(folder.root);
  return changesOf(allFiles(site, keys), present, [...present.keys()]).map(({ kind, path }) => ({
    path,
    text: FAULTS[kind],
    remedy: kind === "removed" ? "remove it" : `cb-admin site init ${folder.root}`,
  }));
}

/** Credentials of operators who are listed no more, until the next `init` retires them. */
export async function checkOperators(site: Site, { root, operators }: SiteFolder): Promise<Fault[]> {
  const names = (await readdir(operators).catch(() => [])).map((file) => file.replace(/\.creds$/, ""));
  return names
    .filter((name) => !site.operators.includes(name))
    .map((name) => ({
      path: join(operators, `${name}.creds`),
      text: "is of an operator whom site.yaml does not list",
      remedy: `cb-admin site init ${root}`,
    }));
}

/** Folders with secrets: no other user may read anything in them. */
export async function checkSecrets({ root, offline, installation }: SiteFolder): Promise<Fault[]> {
  const { uid } = await stat(root);
  const secrets = [root, ...(await filesIn(offline)), ...(await filesIn(installation)).filter(isSecret)];
  const faults = await Promise.all(
    secrets.map(async (path): Promise<Fault[]> => {
      const found = await stat(path);
      const open =
        (found.mode & 0o077) === 0 ? [] : [{ path, text: "is open to other users", remedy: `chmod go= ${path}` }];
      const other =
        found.uid === uid ? [] : [{ path, text: `belongs to user ${found.uid}`, remedy: `chown ${uid} ${path}` }];
      return [...open, ...other];
    }),
  );
  return faults.flat();
}

const isSecret = (path: string): boolean => /\.(seed|creds|key)$/.test(path);

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
