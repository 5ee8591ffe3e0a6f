/** Lays out the work folder of a build: what its programs find there before the first of them starts. */
import { lstatSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lease } from "../lib/protocol/builder-messages.ts";
import { rebaseSources } from "../lib/recipe/rebase.ts";
import { debootstrapFor, type EmulatedArchitecture } from "./emulation.ts";
import { registriesConf } from "./registries.ts";

/** Absolute paths. */
export interface WorkDir {
  /** Stands for the caller's `/`: the caller's files are put below it. */
  readonly callersRoot: string;
  /** Where the recipe's relative paths start, below `callersRoot`: the programs' working directory. */
  readonly context: string;
  /** Not made here, but by writeRecipe. */
  readonly recipe: string;
  /** Where the finished image is expected. */
  readonly image: string;
  /** buildah's own: images it fetched, file systems it works on. Not made here. */
  readonly storage: string;
  /** What buildah leaves for apptainer, an OCI layout. Not made here. */
  readonly layout: string;
  /** What the image is for; undefined: what the builder itself is. */
  readonly emulated: EmulatedArchitecture | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/** `folder` is made. Rejects with the file system's own errors: a full or broken disk is the builder's fault. */
export async function prepareWorkDir(lease: Lease, folder: string, emulated?: EmulatedArchitecture): Promise<WorkDir> {
  const at = (...parts: readonly string[]) => join(folder, ...parts);
  // Below HOME, where buildah and apptainer look after the machine's own settings.
  const registries = at("home", ".config", "containers", "registries.conf.d");
  // Without files of the caller it is empty, so that a recipe finds nothing of the agent's.
  const callersRoot = at("context");
  const context = join(callersRoot, lease.context?.directory ?? "/");
  for (const path of [context, at("tmp"), registries]) await mkdir(path, { recursive: true });
  const recipe = at(lease.recipe.backend === "docker" ? "Dockerfile" : "recipe.def");
  await writeFile(join(registries, "container-builder.conf"), registriesConf(lease.recipe, lease.plainHttpRegistries));
  const programs = at("programs");
  if (emulated !== undefined) {
    await mkdir(programs);
    await writeFile(join(programs, "debootstrap"), debootstrapFor(emulated), { mode: 0o755 });
  }
  return {
    callersRoot,
    context,
    recipe,
    image: at("image.sif"),
    storage: at("storage"),
    layout: at("layout"),
    emulated,
    environment: environment({
      tmp: at("tmp"),
      home: at("home"),
      onTerminal: lease.terminal !== undefined,
      ...(emulated === undefined ? {} : { programs }),
    }),
  };
}

/** For when the caller's files are there: it depends on them what the recipe's paths mean. */
export async function writeRecipe({ recipe }: Lease, place: WorkDir): Promise<void> {
  const hasFile = (path: string) => lstatSync(join(place.callersRoot, path), { throwIfNoEntry: false }) !== undefined;
  await writeFile(place.recipe, rebaseSources(recipe, place.callersRoot, hasFile));
}

interface EnvironmentOptions {
  readonly tmp: string;
  readonly home: string;
  readonly onTerminal: boolean;
  /** A folder of programs that come before the builder's own of the same name. */
  readonly programs?: string;
}

/** What a login as root has, and nothing of the agent's own environment. */
function environment(options: EnvironmentOptions): Record<string, string> {
  const { tmp, home, onTerminal, programs } = options;
  return {
    PATH: [programs, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].filter(Boolean).join(":"),
    HOME: home,
    USER: "root",
    LOGNAME: "root",
    LANG: "C.UTF-8",
    TERM: onTerminal ? "xterm-256color" : "dumb",
    TMPDIR: tmp,
    APPTAINER_TMPDIR: tmp,
    APPTAINER_CACHEDIR: join(home, "cache"),
  };
}
