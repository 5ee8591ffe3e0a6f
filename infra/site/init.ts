/** `cb-admin site init`: makes a site's folder from its answers, and changes just the files that a changed answer concerns. */
import { chmod, mkdir, readdir } from "node:fs/promises";
import { CbError } from "../../lib/core/errors.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import { parseSite } from "./answers/read-site.ts";
import type { Site } from "./answers/site-schema.ts";
import { changedSiteYaml, EXAMPLE, newSiteYaml, type SiteOptions } from "./answers/site-yaml.ts";
import { allFiles } from "./files/all-files.ts";
import { manifestText, pathsIn, type SiteFile } from "./files/site-file.ts";
import { stepsText } from "./files/steps-text.ts";
import { openKeys, refuseOtherNames } from "./keys/open-keys.ts";
import { readIfPresent, type SiteFolder, siteFolder } from "./site-folder.ts";
import { type Change, changesOf } from "./tree/changes.ts";
import { applyChanges, readTree } from "./tree/disk-tree.ts";

export interface InitResult {
  readonly site: Site;
  readonly files: readonly SiteFile[];
  readonly changes: readonly Change[];
  /** True when this run made the first files. */
  readonly isNew: boolean;
  /** Operators who are listed no more. */
  readonly left: readonly string[];
}

/**
 * Reads or writes site.yaml, makes missing keys, and writes the files of all hosts. Throws CbError "usage" for a folder with other
 * files and for missing answers, and "config" for mistakes in site.yaml, files of the installation that are missing, and a missing
 * offline key that a change needs. After an error or a kill the same call completes the work.
 */
export async function initSite(root: string, options: SiteOptions, nowMs: number): Promise<InitResult> {
  const folder = siteFolder(root);
  const written = await readIfPresent(folder.yaml);
  const text = await siteText(folder, written, options);
  // Before anything is written: a mistake must not leave a folder.
  const site = parseSite(text, text === written ? folder.yaml : undefined);
  await refuseOtherNames(site, folder);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await chmod(root, 0o700);
  if (text !== written) await writeSecretFile(folder.yaml, text);
  return writeSite(site, folder, nowMs);
}

/** Writes the files of all hosts from the answers and the keys. Errors as initSite. */
export async function writeSite(site: Site, folder: SiteFolder, nowMs: number): Promise<InitResult> {
  const { keys, left } = await openKeys(site, folder, nowMs);
  const files = allFiles(site, keys);
  const manifest = await readIfPresent(folder.manifest);
  const changes = changesOf(files, await readTree(folder.root), pathsIn(manifest ?? ""));
  await applyChanges(folder.root, changes, files);
  await writeIfChanged(folder.steps, stepsText(site, files));
  // Last: a run that was killed before this line is found incomplete, and files that it should have removed are still listed.
  await writeIfChanged(folder.manifest, manifestText(files));
  return { site, files, changes, isNew: manifest === undefined, left };
}

async function writeIfChanged(path: string, text: string): Promise<void> {
  if ((await readIfPresent(path)) !== text) await writeSecretFile(path, text);
}

async function siteText(folder: SiteFolder, written: string | undefined, options: SiteOptions): Promise<string> {
  if (written !== undefined) return changedSiteYaml(written, options);
  await refuseOtherFiles(folder);
  if (Object.values(options).some((value) => value !== undefined)) return newSiteYaml(options);
  throw new CbError("usage", `there is no site in ${folder.root}`, {
    hint: `to make one, answer with options: ${EXAMPLE}`,
  });
}

async function refuseOtherFiles({ root }: SiteFolder): Promise<void> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const [other] = names;
  if (other === undefined) return;
  throw new CbError("usage", `${root} is not the folder of a site: it has no site.yaml, and holds ${other}`, {
    hint: "name a folder that is empty or does not exist yet",
  });
}
