/** Reads the files in which docker, podman and apptainer keep logins (docker's config.json, containers-auth.json(5)). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { CbError, codeOf, messageOf } from "../../../core/errors.ts";
import { settingsFailure } from "../../../core/read-failure.ts";
import type { RegistryLogin } from "../../../protocol/secret-messages.ts";
import { registryName } from "../../../recipe/base-images.ts";
import type { Environment } from "../options/variables.ts";

/** A file with a hundred logins has 20 kB. */
const MAX_BYTES = 1024 * 1024;

const entry = v.object({
  /** base64 of USER:PASSWORD. */
  auth: v.optional(v.string()),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  identitytoken: v.optional(v.string()),
});

const file = v.object({
  auths: v.optional(v.record(v.string(), entry), {}),
  /** Names of programs `docker-credential-NAME`: for single registries, and for all. */
  credHelpers: v.optional(v.record(v.string(), v.string()), {}),
  credsStore: v.optional(v.string()),
});

export interface AuthFile extends v.InferOutput<typeof file> {
  readonly path: string;
}

/**
 * The files in the order in which they count: the one that the caller names, else those of podman and buildah, docker, apptainer.
 * A named file counts alone, as with these programs.
 */
export function authFilePaths(named: string | undefined, env: Environment): { path: string; isNamed: boolean }[] {
  const only = named ?? env.REGISTRY_AUTH_FILE;
  if (only !== undefined && only !== "") return [{ path: only, isNamed: true }];
  const home = env.HOME ?? "/";
  const paths = [
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, "containers/auth.json")] : []),
    join(env.XDG_CONFIG_HOME || join(home, ".config"), "containers/auth.json"),
    join(env.DOCKER_CONFIG || join(home, ".docker"), "config.json"),
    join(env.APPTAINER_CONFIGDIR || join(home, ".apptainer"), "docker-config.json"),
    join(home, ".singularity/docker-config.json"),
  ];
  return paths.map((path) => ({ path, isNamed: false }));
}

/**
 * Undefined for a file that does not exist, unless the caller has named it. Throws CbError "config" for one that cannot be read or is
 * not of that form.
 */
export async function readAuthFile(path: string, isNamed: boolean): Promise<AuthFile | undefined> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
    return { ...v.parse(file, JSON.parse(text)), path };
  } catch (cause) {
    if (!isNamed && ["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return undefined;
    // The parser's message would quote the file.
    const reason = cause instanceof SyntaxError ? "it is not JSON" : messageOf(cause);
    throw settingsFailure(
      `cannot read the logins in ${path}: ${reason}`,
      cause,
      "correct the file, or log in again: docker login REGISTRY",
    );
  }
}

/** The login for an image, `HOST/PATH`: that of the longest path that has one. Undefined if there is none. */
export function loginIn({ auths, path }: AuthFile, image: string): RegistryLogin | undefined {
  const byName = new Map(Object.entries(auths).map(([name, login]) => [plainName(name), login]));
  for (let registry = image; ; registry = registry.slice(0, registry.lastIndexOf("/"))) {
    const found = byName.get(registry);
    if (found !== undefined && Object.values(found).some(Boolean)) return loginOf(registry, found, path);
    if (!registry.includes("/")) return undefined;
  }
}

/** docker's names of a registry may have a scheme and a version: `https://index.docker.io/v1/`. */
export function plainName(name: string): string {
  const [host = "", ...rest] = name
    .replace(/^https?:\/\//, "")
    .replace(/\/(v[12]\/?)?$/, "")
    .split("/");
  return [registryName(host), ...rest].join("/");
}

function loginOf(registry: string, found: v.InferOutput<typeof entry>, path: string): RegistryLogin {
  const { auth, identitytoken } = found;
  const [, username = found.username ?? "", password = found.password ?? ""] =
    /^([^:]*):(.*?)\0*$/s.exec(Buffer.from(auth ?? "", "base64").toString("utf8")) ?? [];
  if (username === "" && identitytoken === undefined) {
    throw new CbError("config", `the login for ${registry} in ${path} has no user name`, {
      hint: `log in again: docker login ${registry}`,
    });
  }
  return { registry, username, password, ...(identitytoken ? { identityToken: identitytoken } : {}) };
}
