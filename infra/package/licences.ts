/** The licences of the npm packages in the bundles. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * Writes one file for each runtime package of the project and each package that those need. npm has installed all of them flat in
 * `node_modules`. Throws CbError "config" when one is not there.
 */
export async function addLicences(folder: string, root: string): Promise<void> {
  const own = await readManifest(root);
  const waiting = Object.keys(own.dependencies ?? {});
  const seen = new Set<string>();
  await mkdir(join(folder, "licences"), { recursive: true });
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const place = join(root, "node_modules", name);
    const manifest = await readManifest(place);
    const head = `${name} ${manifest.version}, licence ${manifest.license ?? "in its own file"}\n`;
    await writeFile(join(folder, "licences", `${name.replace("/", "-")}.txt`), head + (await licenceText(place)));
    waiting.push(...Object.keys(manifest.dependencies ?? {}));
  }
}

async function licenceText(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => /^(licen[cs]e|notice)/i.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.map((text) => `\n${text}`).join("");
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, "package.json"), "utf8").catch((cause: unknown) => {
    throw new CbError("config", `the npm package ${folder} is not installed`, { hint: "run: npm ci", cause });
  });
  return JSON.parse(text) as Manifest;
}
