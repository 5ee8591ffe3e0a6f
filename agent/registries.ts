/**
 * Writes containers-registries.conf(5), so that only the registries that the site names are contacted without TLS.
 *
 * buildah reads `insecure = true`. apptainer (1.4.5) reads only the mirrors in that file, and its option `--no-https`
 * applies to all registries of a recipe; so a named registry becomes an insecure mirror of itself. apptainer also falls
 * back to plain http for a registry with a private address or a name in `.local`. If the site does not name such a
 * registry, it becomes a secure mirror of itself, under a spelling that apptainer does not recognise as private.
 */
import type { Recipe } from "../lib/protocol/build-messages.ts";
import type { Mirror } from "../lib/protocol/builder-messages.ts";
import { DOCKER_HUB } from "../lib/recipe/base-images.ts";

const PRIVATE_ADDRESS = /^(10|172\.(1[6-9]|2\d|3[01])|192\.168)(\.\d{1,3}){2,3}$/;
const LOCAL_NAME = /\.local(host)?$/;
/** Any text that looks like HOST or HOST:PORT: in a source, an argument's default, a script. */
const HOST = /(?<![\w.-])[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?![\w.-])/gi;
const ARGUMENT = /\{\{\s*(\w+)\s*\}\}/g;

export interface RegistrySettings {
  /** The registries that the site names as ones without TLS. */
  readonly plainHttp: readonly string[];
  /** Asked before their registries. */
  readonly mirrors: readonly Mirror[];
}

/** A registry with its entries in the order in which they are asked. */
interface Entry {
  readonly host: string;
  /** May be contacted without TLS. */
  readonly insecure: boolean;
  readonly mirror?: Mirror | undefined;
}

/** The file's text for the program that fetches the base image. */
export function registriesConf(recipe: Recipe, { plainHttp, mirrors }: RegistrySettings): string {
  const mirrored = mirrors.map(({ registry }) => registry);
  const others = hostsIn(recipe).filter((host) => !plainHttp.includes(host) && needsTls(host, plainHttp));
  const entries = [...new Set([...plainHttp, ...others, ...mirrored])].map((host) => ({
    host,
    insecure: plainHttp.includes(host),
    mirror: mirrors.find(({ registry }) => registry === host),
  }));
  const texts = entries.map(recipe.backend === "docker" ? forBuildah : forApptainer);
  // The rule of Dockerfiles: FROM debian means Docker Hub.
  return ['unqualified-search-registries = ["docker.io"]', ...texts].join("\n\n").concat("\n");
}

function hostsIn({ text, buildArgs = {} }: Recipe): string[] {
  const filled = text.replaceAll(ARGUMENT, (_, name: string) => buildArgs[name] ?? defaultOf(name, text));
  const found = [filled, ...Object.values(buildArgs)].flatMap((part) => part.match(HOST) ?? []);
  return [...new Set(found)];
}

const defaultOf = (name: string, text: string): string => new RegExp(`^\\s*${name}=(\\S*)`, "m").exec(text)?.[1] ?? "";

/**
 * True for an unnamed host that needs an entry to enforce TLS: a private one, because apptainer would use plain http,
 * or a port of a host that the site names without a port, because an entry without a port covers all ports.
 */
function needsTls(host: string, plainHttp: readonly string[]): boolean {
  const { name, port } = split(host);
  return PRIVATE_ADDRESS.test(name) || LOCAL_NAME.test(name) || (port !== "" && plainHttp.includes(name));
}

function split(host: string): { name: string; port: string } {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/.exec(host) ?? [];
  return { name, port };
}

const registry = (host: string, ...lines: readonly string[]): string =>
  ["[[registry]]", `location = ${JSON.stringify(host)}`, ...lines].join("\n");
const mirrorLines = (location: string, insecure: boolean): string =>
  ["[[registry.mirror]]", `location = ${JSON.stringify(location)}`, `insecure = ${insecure}`].join("\n");

const forBuildah = ({ host, insecure, mirror }: Entry): string =>
  registry(host, `insecure = ${insecure}`, ...(mirror ? [mirrorLines(mirror.host, mirror.plainHttp)] : []));

/** apptainer (1.4.5) asks the first mirror alone. */
const forApptainer = ({ host, insecure, mirror }: Entry): string => {
  const { host: asked, plainHttp } = mirror ?? { host, plainHttp: insecure };
  return registry(host, mirrorLines(plainHttp ? asked : spelledPublic(asked), plainHttp));
};

/**
 * The names under which the programs look for a login: the registry, its other spelling in registriesConf(), and for Docker Hub the
 * one that apptainer's library knows (go-containerregistry: authn.DefaultAuthKey).
 */
export function authNames(registry: string): string[] {
  const [host = "", ...path] = registry.split("/");
  const hub = registry === DOCKER_HUB ? ["https://index.docker.io/v1/"] : [];
  return [...new Set([registry, [spelledPublic(host), ...path].join("/"), ...hub])];
}

/** The same host for every resolver and certificate: an IPv4 address inside IPv6, a name with its final dot. */
function spelledPublic(host: string): string {
  const { name, port } = split(host);
  if (/^\d+(\.\d+){3}$/.test(name)) return `[::ffff:${name}]${port}`;
  return LOCAL_NAME.test(name) ? `${name}.${port}` : host;
}
