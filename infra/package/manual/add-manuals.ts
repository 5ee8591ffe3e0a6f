/** Writes the manual pages and the completions of programs, from what the programs themselves declare. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ProgramModel } from "../../../lib/cli/command-model.ts";
import { MODEL_OPTION } from "../../../lib/cli/program.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { completeBash } from "./complete-bash.ts";
import { completeFish } from "./complete-fish.ts";
import { completeZsh } from "./complete-zsh.ts";
import { manPage } from "./man-page.ts";

/** The programs of administrators. */
const SECTION_8 = ["cb-admin", "cb-queue", "cb-registry"];
const sectionOf = (program: string): 1 | 8 => (SECTION_8.includes(program) ? 8 : 1);

/** Where the files of a program are, below the folder of the package: the manual page, and the completions for bash, zsh and fish. */
export function manualPaths(program: string): [string, string, string, string] {
  const section = sectionOf(program);
  return [
    `share/man/man${section}/${program}.${section}`,
    `share/bash-completion/completions/${program}`,
    `share/zsh/site-functions/_${program}`,
    `share/fish/vendor_completions.d/${program}.fish`,
  ];
}

/** `folder` has the built programs in `bin`. `epochS`: the date of the manual pages, in seconds since 1970. */
export async function addManuals(folder: string, programs: readonly string[], epochS: number): Promise<void> {
  await Promise.all(
    programs.map(async (program) => {
      const model = await modelOf(join(folder, "bin", program));
      const seeAlso = programs.filter((one) => one !== program).map((one) => `${one}(${sectionOf(one)})`);
      const page = manPage(model, { section: sectionOf(program), epochS, version: VERSION, seeAlso });
      const texts = [page, completeBash(model), completeZsh(model), completeFish(model)];
      await Promise.all(manualPaths(program).map((path, at) => write(join(folder, path), texts[at] ?? "")));
    }),
  );
}

/** The programs may be for another architecture, but they are JavaScript, so this Node runs them. */
async function modelOf(program: string): Promise<ProgramModel> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, MODEL_OPTION], { env: {} });
  return JSON.parse(stdout) as ProgramModel;
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
