/**
 * Which registries may be asked without TLS, in the words of containers-registries.conf(5): those that the site names, and
 * no other.
 *
 * buildah takes `insecure = true` for that. apptainer (1.4.5) reads nothing of that file but mirrors, and `--no-https` would
 * be for all registries of a recipe; so a named registry is its own mirror, an insecure one. By itself apptainer falls back
 * to plain http where a registry is called by a private address or a name in `.local`. Such a one, when it is
 * not named, gets a mirror too: itself, spelled so that apptainer does not take it for private.
 */
import type { Recipe } from "../lib/protocol/build-messages.ts";

const PRIVATE_ADDRESS = /^(10|172\.(1[6-9]|2\d|3[01])|192\.168)(\.\d{1,3}){2,3}$/;
const LOCAL_NAME = /\.local(host)?$/;
/** Whatever looks like HOST or HOST:PORT: in a source, an argument's default, a script. */
const HOST = /(?<![\w.-])[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?![\w.-])/gi;
const ARGUMENT = /\{\{\s*(\w+)\s*\}\}/g;

/** The file's text, for the program that reads the recipe's sources. */
export function registriesConf(recipe: Recipe, plainHttp: readonly string[]): string {
  const others = hostsIn(recipe).filter((host) => !plainHttp.includes(host) && needsWord(host, plainHttp));
  const entries = recipe.backend === "docker" ? forBuildah(plainHttp, others) : forApptainer(plainHttp, others);
  // As Dockerfiles mean it: FROM debian is Docker Hub's.
  return ['unqualified-search-registries = ["docker.io"]', ...entries].join("\n\n").concat("\n");
}

function hostsIn({ text, buildArgs = {} }: Recipe): string[] {
  const filled = text.replaceAll(ARGUMENT, (_, name: string) => buildArgs[name] ?? defaultOf(name, text));
  const found = [filled, ...Object.values(buildArgs)].flatMap((part) => part.match(HOST) ?? []);
  return [...new Set(found)];
}

const defaultOf = (name: string, text: string): string => new RegExp(`^\\s*${name}=(\\S*)`, "m").exec(text)?.[1] ?? "";

/** Private, or a port of a host that is named without one: an entry without a port is taken for all ports. */
function needsWord(host: string, plainHttp: readonly string[]): boolean {
  const { name, port } = split(host);
  return PRIVATE_ADDRESS.test(name) || LOCAL_NAME.test(name) || (port !== "" && plainHttp.includes(name));
}

function split(host: string): { name: string; port: string } {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/.exec(host) ?? [];
  return { name, port };
}

const registry = (host: string, ...lines: readonly string[]): string =>
  ["[[registry]]", `location = ${JSON.stringify(host)}`, ...lines].join("\n");
const mirrored = (host: string, mirror: string, insecure: boolean): string =>
  registry(host, "[[registry.mirror]]", `location = ${JSON.stringify(mirror)}`, `insecure = ${insecure}`);

const forBuildah = (named: readonly string[], others: readonly string[]): string[] => [
  ...named.map((host) => registry(host, "insecure = true")),
  ...others.map((host) => registry(host, "insecure = false")),
];

const forApptainer = (named: readonly string[], others: readonly string[]): string[] => [
  ...named.map((host) => mirrored(host, host, true)),
  ...others.map((host) => mirrored(host, spelledPublic(host), false)),
];

/** The same place to every resolver and certificate: an IPv4 address inside IPv6, a name with its final dot. */
function spelledPublic(host: string): string {
  const { name, port } = split(host);
  if (/^\d+(\.\d+){3}$/.test(name)) return `[::ffff:${name}]${port}`;
  return LOCAL_NAME.test(name) ? `${name}.${port}` : host;
}
