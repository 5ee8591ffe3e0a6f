/** Finds the caller's logins for the registries that a recipe names, as docker, buildah and apptainer do. */
import { CbError } from "../../../core/errors.ts";
import type { RegistryLogin } from "../../../protocol/secret-messages.ts";
import type { BaseImage } from "../../../recipe/base-images.ts";
import type { Environment } from "../options/variables.ts";
import { askLogin } from "./ask-login.ts";
import { type AuthFile, authFilePaths, loginIn, plainName, readAuthFile } from "./auth-file.ts";
import { loginOfHelper } from "./credential-store.ts";

export interface FoundLogin {
  readonly login: RegistryLogin;
  /** A file, a helper or an option, for people. */
  readonly from: string;
}

export interface LoginOptions {
  readonly authfile?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** True: ask for user name and password. */
  readonly ask?: boolean | undefined;
  /** True: user name, password or `ask` are of the command line. False: of variables, which a site may set for everyone. */
  readonly isTyped: boolean;
}

/**
 * None for an image without a login: it may be public. Throws CbError "usage" for options that do not say which registry a login is
 * for, and as readAuthFile(), loginOfHelper() and askLogin().
 */
export async function findLogins(
  images: readonly BaseImage[],
  options: LoginOptions,
  environment: Environment,
): Promise<FoundLogin[]> {
  const given = await givenLogin(images, options);
  if (given !== undefined) return [given];
  // Nothing is read, and no helper runs, for a recipe that pulls from no registry.
  if (images.length === 0) return [];
  const paths = authFilePaths(options.authfile, environment);
  const files = (await Promise.all(paths.map(({ path, isNamed }) => readAuthFile(path, isNamed)))).filter(isPresent);
  const found = new Map<string, FoundLogin>();
  for (const image of images) {
    const one = await firstLogin(files, image);
    if (one !== undefined && !found.has(one.login.registry)) found.set(one.login.registry, one);
  }
  return [...found.values()];
}

const isPresent = <T>(value: T | undefined): value is T => value !== undefined;

async function firstLogin(files: readonly AuthFile[], { registry, name }: BaseImage): Promise<FoundLogin | undefined> {
  for (const file of files) {
    const helper = helperFor(file, registry);
    const login = helper === undefined ? loginIn(file, name) : await loginOfHelper(helper, registry);
    if (login !== undefined) return { login, from: helper === undefined ? file.path : `docker-credential-${helper}` };
  }
  return undefined;
}

/** docker writes an empty entry for each registry of `credsStore`, so one that has an entry here is looked up there. */
function helperFor({ credHelpers, credsStore, auths }: AuthFile, registry: string): string | undefined {
  const own = Object.entries(credHelpers).find(([name]) => plainName(name) === registry)?.[1];
  if (own !== undefined) return own;
  return Object.keys(auths).some((name) => plainName(name) === registry) ? credsStore || undefined : undefined;
}

/**
 * The login of --docker-username and --docker-password, their variables, or --docker-login. apptainer sends it to any registry, so the
 * recipe may name only one. Variables do not count where they fit no registry.
 */
async function givenLogin(images: readonly BaseImage[], options: LoginOptions): Promise<FoundLogin | undefined> {
  const { username, password, ask, isTyped } = options;
  if (!isTyped && (username === undefined || password === undefined)) return undefined;
  const [registry, ...others] = new Set(images.map((image) => image.registry));
  if (registry === undefined || others.length > 0) {
    if (isTyped) throw notOneRegistry([registry ?? [], others].flat());
    return undefined;
  }
  if (ask) return { login: await askLogin(registry), from: "--docker-login" };
  return { login: loginOf(registry, username, password), from: "--docker-username" };
}

function notOneRegistry(registries: readonly string[]): CbError {
  const isNone = registries.length === 0;
  const problem = isNone ? "names no registry" : `names several registries: ${registries.join(", ")}`;
  return new CbError("usage", `a login is given, and the recipe ${problem}`, {
    hint: isNone ? "leave it out" : "log in to each of them (docker login), or give --authfile FILE",
  });
}

function loginOf(registry: string, username: string | undefined, password: string | undefined): RegistryLogin {
  if (username !== undefined && password !== undefined) return { registry, username, password };
  const missing = username === undefined ? "--docker-username" : "--docker-password";
  throw new CbError("usage", `the login for ${registry} has no ${missing}`, {
    hint: "set APPTAINER_DOCKER_USERNAME and APPTAINER_DOCKER_PASSWORD, or type both: --docker-login",
  });
}
