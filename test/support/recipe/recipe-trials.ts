/**
 * Builds each recipe twice in a sandbox: from the caller's directory as a user would, and from a mirror that holds only
 * the files that inputsOf() lists. Both images must have the same content.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { withCallerEnvironment } from "../../../lib/recipe/caller-environment.ts";
import { inputsOf } from "../../../lib/recipe/inputs.ts";
import { rebaseSources } from "../../../lib/recipe/rebase.ts";
import { testRootfs } from "../rootfs.ts";

export interface Trial {
  /** Content of the image, one line per file and link; `failed` when the build fails. */
  readonly byHand: string;
  /** The same for the build from the mirror. Undefined when inputsOf() or rebaseSources() refuses the recipe. */
  readonly fromMirror: string | undefined;
}

/**
 * The caller's directory is /w/u/p. The content of each file is its name, so that an image shows the origin of its
 * files.
 */
const DISK = `
mkdir -p /w/u/p /w/u/other && cd /w/u/p
mkdir -p data/deep /w/u/base
for file in a b c b1.txt b2.txt 'with blank' 'am&p' 'do$HOME' 'back\\slash' 'star*' starx '{x,y}' br0.txt .hidden app-1.tar \\
  data/in data/.dot data/deep/in.txt /w/u/up.txt /w/u/other/o1.txt /w/u/other/o2.txt /w/u/base/base.txt; do
  echo "$file" > "$file"
done
ln -s in data/link && ln -s data dirlink && ln -s /w/u/up.txt uplink && ln -s nowhere /w/u/base/dangling && ln -s base.txt /w/u/base/inner
`;

/** Environment variables of the caller that a builder lacks. */
const ENVIRONMENT = { HOME: "/w/u", OTHER: "other" };

const SCRIPT = `
set -u
export LC_ALL=C STORAGE_DRIVER=vfs ${Object.entries(ENVIRONMENT)
  .map((pair) => pair.join("="))
  .join(" ")}
${DISK}
contents() {
  cd "$1" 2>/dev/null || return
  find . \\( -path ./.singularity.d -o -path ./dev -o -path ./etc -o -path ./proc -o -path ./sys -o -path ./tmp -o -path ./var \\
    -o -path ./environment -o -path ./singularity -o -path ./.exec -o -path ./.run -o -path ./.shell -o -path ./.test \\) -prune \\
    -o -type f -printf '%P = ' -exec head -n 1 {} \\; -o -type l -printf '%P -> %l\\n' | sort
}
build() {
  rm -rf /tmp/image && mkdir -p /tmp/image
  if [ "$kind" = docker ]; then
    buildah bud --isolation=chroot --layers=false -q -f "$1" --output type=local,dest=/tmp/image "\${args[@]}" . >/tmp/log 2>&1
  else
    apptainer build --sandbox --force "\${args[@]}" /tmp/image "$1" >/tmp/log 2>&1
  fi || { echo failed; return; }
  (contents /tmp/image)
}
take() {
  local found=("$3") how=-a
  [ "$2" = true ] && mapfile -t found < <(shopt -s dotglob; compgen -G "$3")
  [ "$1" = follow ] && how=-L
  for path in "\${found[@]}"; do cp -r "$how" --parents "$(realpath -s -- "$path")" /ctx 2>>/tmp/missing; done
}
for folder in /trials/*/; do
  kind=$(cat "$folder/kind")
  mapfile -t args < "$folder/args"
  cd /w/u/p && echo "== $(basename "$folder") byHand" && build "$folder/recipe"
  [ -e "$folder/inputs" ] || continue
  rm -rf /ctx && mkdir -p /ctx/w/u/p
  while IFS=$'\\t' read -r links pattern path; do take "$links" "$pattern" "$path"; done < "$folder/inputs"
  unset OTHER && HOME=/root && mv /w /hidden && cd /ctx/w/u/p && echo "== $(basename "$folder") fromMirror" && build "$folder/rebased"
  cd / && mv /hidden /w && export HOME=/w/u OTHER=other
done
`;

/** The results in the order of the recipes. The paths of their inputs must have no line breaks. */
export async function tryRecipes(recipes: readonly Recipe[]): Promise<Trial[]> {
  const folder = await mkdtemp(join(tmpdir(), "container-builder-trials-"));
  try {
    await chmod(folder, 0o755);
    for (const [index, recipe] of recipes.entries()) await writeTrial(join(folder, numbered(index)), recipe);
    await writeFile(join(folder, "script"), SCRIPT);
    const { code, stdout, stderr } = await runInSandbox({
      rootfs: await testRootfs(),
      command: ["bash", "/trials/script"],
      binds: [{ from: folder, to: "/trials" }],
      stdio: "pipe",
    });
    if (code !== 0) throw new Error(`the trials ended with ${code}: ${stderr}`);
    const outcomes = new Map(stdout.split(/^== /m).map((part) => splitOnce(part, "\n")));
    return recipes.map((_, index) => ({
      byHand: outcomes.get(`${numbered(index)} byHand`) ?? "not tried",
      fromMirror: outcomes.get(`${numbered(index)} fromMirror`),
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeTrial(folder: string, recipe: Recipe): Promise<void> {
  await mkdir(folder);
  const args = Object.entries(recipe.buildArgs ?? {}).map(([name, value]) => `--build-arg\n${name}=${value}\n`);
  await writeFile(join(folder, "kind"), recipe.backend);
  await writeFile(join(folder, "args"), args.join(""));
  await writeFile(join(folder, "recipe"), recipe.text);
  try {
    const sent = withCallerEnvironment(recipe, ENVIRONMENT);
    const inputs = inputsOf(sent).map(({ links, pattern, path }) => `${links}\t${pattern}\t${path}\n`);
    await writeFile(join(folder, "inputs"), inputs.join(""));
    await writeFile(join(folder, "rebased"), rebaseSources(sent, "/ctx"));
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
  }
}

/** Zero-padded, so that the shell's order of names is the numeric order. */
const numbered = (index: number): string => String(index).padStart(3, "0");

function splitOnce(text: string, at: string): [string, string] {
  const end = text.indexOf(at);
  return [text.slice(0, end), text.slice(end + 1).trimEnd()];
}
