/** The local stack's pull-through registries: copies of the base images of other registries (cmd/cb-registry.ts). */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { stringify } from "yaml";
import { registryHost } from "../../lib/config/mirror-config.ts";
import { type RegistryConfig, registryConfig } from "../../lib/config/registry-config.ts";
import { readYamlFile } from "../../lib/config/yaml-file.ts";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import type { Mirror } from "../../lib/protocol/builder-messages.ts";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import { dockerRegistryPath } from "../tools/setup/unpacked-program.ts";
import { runningPid, startProcess, stopProcess } from "./daemon.ts";
import { freePort, HTTP_ADDRESS } from "./http-port.ts";
import type { Layout } from "./layout.ts";

/** The registry of most recipes. */
const DEFAULT = "docker.io";
/** cb-registry ends its processes at once; docker-registry itself takes no longer for a stop. */
export const REGISTRY_STOP_MS = 10_000;
/** A workstation has less disk than a site. */
const MAX_GIB = 10;

/** HOST[:PORT] of registries, with `http://` in front for one without TLS. `false`: no copies. */
export type RegistryChoice = readonly string[] | false;

export interface RegistryStart {
  /** The folder with the bundled programs. */
  readonly binDir: string;
  readonly choice?: RegistryChoice | undefined;
  readonly notify: (line: string) => void;
}

/**
 * Starts cb-registry if it does not run with these registries. Returns the copies as builders reach them; none when docker-registry
 * cannot be had, because builds need no copies. Throws CbError "usage" for a wrong name.
 */
export async function startRegistry(paths: Layout, options: RegistryStart): Promise<Mirror[]> {
  const { binDir, choice = [DEFAULT], notify } = options;
  const chosen = choice === false ? [] : choice.map(parsed);
  const program = chosen.length === 0 ? undefined : await programOrNone(notify);
  if (program === undefined) {
    await stopProcess(paths.registryPid, REGISTRY_STOP_MS);
    return [];
  }
  const last = runningRegistries(paths)?.registries ?? [];
  const registries: RegistryConfig["registries"] = [];
  for (const one of chosen) {
    const listen = last.find(({ host }) => host === one.host)?.listen ?? `${HTTP_ADDRESS}:${await anyPort()}`;
    registries.push({ ...one, listen });
  }
  const text = stringify({ folder: paths.registryStore, maxGiB: MAX_GIB, program, registries });
  const changed = text !== (await readFile(paths.registryConfig, "utf8").catch(() => ""));
  if (changed) await stopProcess(paths.registryPid, REGISTRY_STOP_MS);
  await writeFile(paths.registryConfig, text, { mode: 0o600 });
  if (runningPid(paths.registryPid) === undefined) {
    notify("Starting cb-registry");
    await startProcess({
      argv: [process.execPath, join(binDir, "cb-registry"), "--config", paths.registryConfig],
      pidFile: paths.registryPid,
      logFile: paths.registryLog,
    });
  }
  return registries.map(({ host, listen }) => ({
    registry: host,
    host: listen.replace(HTTP_ADDRESS, HOST_LOOPBACK),
    plainHttp: true,
  }));
}

/** The configuration that cb-registry runs with; undefined while it does not run. */
export function runningRegistries(paths: Layout): RegistryConfig | undefined {
  if (runningPid(paths.registryPid) === undefined) return undefined;
  return readYamlFile(paths.registryConfig, registryConfig);
}

function parsed(text: string): { host: string; plainHttp: boolean } {
  const host = text.replace(/^http:\/\//, "");
  if (v.is(registryHost, host)) return { host, plainHttp: host !== text };
  throw new CbError("usage", `${text} is not the address of a registry`, {
    hint: "give HOST or HOST:PORT, as in a recipe, or http://HOST:PORT for one without TLS",
  });
}

async function programOrNone(notify: (line: string) => void): Promise<string | undefined> {
  try {
    return await dockerRegistryPath(notify);
  } catch (error) {
    notify(`Base images are not kept: ${messageOf(error)}`);
    return undefined;
  }
}

async function anyPort(): Promise<number> {
  const port = await freePort(0);
  if (port === undefined) throw new CbError("infrastructure", `no port of ${HTTP_ADDRESS} is free`);
  return port;
}
