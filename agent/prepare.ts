/** Prepares the work folder of a build before its first program starts. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lease, Mirror } from "../lib/protocol/builder-messages.ts";
import { existsBelow } from "../lib/recipe/context/expand.ts";
import { withSecretsFolder } from "../lib/recipe/definition/secrets-folder.ts";
import type { PathPattern } from "../lib/recipe/path-pattern.ts";
import { rebaseSources } from "../lib/recipe/rebase.ts";
import { encodeRecipe } from "../lib/recipe/recipe-text.ts";
import { type EmulatedArchitecture, wrappersFor } from "./emulation.ts";
import { hostOf } from "./layers/use-layers.ts";
import { deviceFilterFor } from "./pseudo-devices.ts";
import { registriesConf } from "./registries.ts";

/** Absolute paths. */
export interface WorkDir {
  /** Mirrors the caller's `/`: the caller's files are unpacked below it. */
  readonly callersRoot: string;
  /**
   * The caller's directory below `callersRoot`. It is the programs' working directory, where relative paths of the
   * recipe start.
   */
  readonly context: string;
  /** Written by writeRecipe(), not by prepareWorkDir(). */
  readonly recipe: string;
  /** Settings of the programs that fetch base images. Written by writeRegistries(). */
  readonly registriesConf: string;
  /** The ignore file of the Dockerfile itself, for buildah; undefined when there is none. */
  readonly ignoreFile?: string | undefined;
  /** The last program of the build writes the image here. */
  readonly image: string;
  /** buildah's storage: fetched images, working file systems. buildah creates it. */
  readonly storage: string;
  /** The driver of that storage; undefined: that of the builder's own configuration. */
  readonly storageDriver?: "overlay";
  /** OCI layout that buildah writes and apptainer reads. buildah creates it. */
  readonly layout: string;
  /** Programs that override the builder's own of the same name. */
  readonly programs: string;
  /** Architecture of the image; undefined for the builder's own. */
  readonly emulated: EmulatedArchitecture | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** Program and arguments that start apptainer for this recipe; empty for most (pseudo-devices.ts). */
  readonly launcher: readonly string[];
}

/**
 * A sandbox has its root on an overlay, and this folder beside it (lib/provider/sandbox/scripts/inner.sh), where buildah can make overlays:
 * for its layers, which it otherwise copies for each stage, and below TMPDIR for writable binds of RUN, which fail otherwise. The
 * storage of a build on a base image of 480 MB took 40 s and 2.7 GB without overlays, 19 s and 0.5 GB with them. A definition file
 * stays on the root: its overlay is without syncs, and dpkg syncs each file.
 */
const SCRATCH = "/var/scratch";

/** Creates `folder`. Rejects with the errors of the file system: a full or broken disk is a failure of the builder. */
export async function prepareWorkDir(lease: Lease, folder: string, emulated?: EmulatedArchitecture): Promise<WorkDir> {
  const at = (...parts: readonly string[]) => join(folder, ...parts);
  // Below HOME: buildah and apptainer read it after the machine's own settings.
  const registries = at("home", ".config", "containers", "registries.conf.d");
  // Empty when the caller sends no files, so that a recipe cannot read files of the agent.
  const callersRoot = at("context");
  const context = join(callersRoot, lease.context?.directory ?? "/");
  const scratch = lease.recipe.backend === "docker" && existsSync(SCRATCH) ? SCRATCH : undefined;
  const tmp = join(scratch ?? folder, "tmp");
  const programs = at("programs");
  for (const path of [context, tmp, registries, programs]) await mkdir(path, { recursive: true });
  const recipe = at(lease.recipe.backend === "docker" ? "Dockerfile" : "recipe.def");
  for (const [name, text] of Object.entries(emulated === undefined ? {} : wrappersFor(emulated)))
    await writeFile(join(programs, name), text, { mode: 0o755 });
  return {
    callersRoot,
    context,
    recipe,
    registriesConf: join(registries, "container-builder.conf"),
    ignoreFile: ignoreFileOf(lease, callersRoot),
    image: at("image.sif"),
    storage: join(scratch ?? folder, "storage"),
    ...(scratch === undefined ? {} : { storageDriver: "overlay" }),
    layout: at("layout"),
    programs,
    emulated,
    launcher: deviceFilterFor(lease.recipe),
    environment: environment({
      tmp,
      home: at("home"),
      onTerminal: lease.terminal !== undefined,
      programs,
    }),
  };
}

/** Without a context, the recipe reads nothing and no ignore file is sent. */
const ignoreFileOf = ({ recipe, context }: Lease, callersRoot: string): string | undefined =>
  recipe.ignoreFile === undefined || context === undefined ? undefined : join(callersRoot, recipe.ignoreFile);

/**
 * Writes the recipe. Call it after the caller's files are unpacked, because they decide which paths of the recipe
 * change. With build secrets a definition file gets a folder for them.
 */
export async function writeRecipe({ recipe }: Lease, workDir: WorkDir, hasSecrets = false): Promise<void> {
  const hasFile = (file: PathPattern) => existsBelow(workDir.callersRoot, file);
  const text = rebaseSources(recipe, workDir.callersRoot, hasFile);
  const needsFolder = hasSecrets && recipe.backend === "singularity";
  await writeFile(workDir.recipe, encodeRecipe(needsFolder ? withSecretsFolder(text) : text));
}

/** With other mirrors it may be called again, before a program starts. */
export function writeRegistries(lease: Lease, workDir: WorkDir, mirrors: readonly Mirror[]): Promise<void> {
  const { layers, plainHttpRegistries } = lease;
  const ofLayers = layers?.plainHttp ? [hostOf(layers)] : [];
  const settings = { plainHttp: [...plainHttpRegistries, ...ofLayers], mirrors };
  return writeFile(workDir.registriesConf, registriesConf(lease.recipe, settings));
}

interface EnvironmentOptions {
  readonly tmp: string;
  readonly home: string;
  readonly onTerminal: boolean;
  readonly programs: string;
}

/** A build has no input: debconf must not ask, and programs that page their output must print it. A recipe may set them otherwise. */
const UNATTENDED: Readonly<Record<string, string>> = {
  DEBIAN_FRONTEND: "noninteractive",
  PAGER: "cat",
  GIT_PAGER: "cat",
  MANPAGER: "cat",
  SYSTEMD_PAGER: "cat",
};

/**
 * The environment of a login as root, without any variable of the agent. apptainer passes only APPTAINERENV_NAME on to %post, as
 * NAME; %setup and debootstrap get the plain names.
 */
function environment(options: EnvironmentOptions): Record<string, string> {
  const { tmp, home, onTerminal, programs } = options;
  return {
    PATH: `${programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: home,
    USER: "root",
    LOGNAME: "root",
    LANG: "C.UTF-8",
    TERM: onTerminal ? "xterm-256color" : "dumb",
    ...UNATTENDED,
    ...Object.fromEntries(Object.entries(UNATTENDED).map(([name, value]) => [`APPTAINERENV_${name}`, value])),
    TMPDIR: tmp,
    APPTAINER_TMPDIR: tmp,
    APPTAINER_CACHEDIR: join(home, "cache"),
  };
}
