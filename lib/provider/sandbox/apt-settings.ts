/**
 * Reads from the host's apt how to reach a Debian archive: mirror, proxy, certificates. The environment can override the
 * mirrors.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CbError } from "../../core/errors.ts";

export interface AptSettings {
  readonly mirror: string;
  readonly securityMirror: string;
  /** Lines for an apt.conf. They may contain a proxy's password. */
  readonly conf: string;
}

/** The options for reaching an archive and for verifying it. The rest of the host's apt configuration is left out. */
const RELEVANT_OPTION =
  /^Acquire::((https?::([^ ]*::)?(Proxy|CAInfo|Verify-Peer|Timeout))|Check-Valid-Until|Check-Date|Retries)[: ]/i;

/**
 * Returns the mirrors that CB_MIRROR and CB_SECURITY_MIRROR name, otherwise those of the host's apt. Throws CbError "config"
 * when neither names a Debian archive, for example on another distribution.
 */
export async function hostAptSettings(env: NodeJS.ProcessEnv = process.env): Promise<AptSettings> {
  const sources = await sourcesText("/etc/apt");
  const dump = await promisify(execFile)("apt-config", ["dump"]).then(
    ({ stdout }) => stdout,
    () => "",
  );
  const mirror = env.CB_MIRROR ?? archiveIn(sources, "debian");
  if (mirror === undefined) {
    throw new CbError(
      "config",
      "the apt sources of this machine name no Debian archive, which the builder's root file system needs",
      {
        hint: "set CB_MIRROR to the URL of a Debian archive, ending in /debian",
      },
    );
  }
  const sibling = mirror.replace(/debian\/?$/, "debian-security");
  return {
    mirror,
    securityMirror: env.CB_SECURITY_MIRROR ?? archiveIn(sources, "debian-security") ?? sibling,
    conf: relevantOptions(dump),
  };
}

/** Returns the first archive of that name in a text of the sources.list or deb822 format. On Ubuntu there is none. */
export function archiveIn(sources: string, name: string): string | undefined {
  const active = sources.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  const uris = active.flatMap((line) => line.split(/\s+/)).filter((part) => /^https?:\/\//.test(part));
  return uris.map((uri) => uri.replace(/\/$/, "")).find((uri) => uri.endsWith(`/${name}`));
}

/** Returns the lines of `apt-config dump` that make-rootfs.sh needs. */
export function relevantOptions(dump: string): string {
  return dump
    .split("\n")
    .filter((line) => RELEVANT_OPTION.test(line))
    .join("\n");
}

async function sourcesText(folder: string): Promise<string> {
  const parts = await readdir(join(folder, "sources.list.d")).catch(() => []);
  const files = [
    "sources.list",
    ...parts.filter((name) => /\.(list|sources)$/.test(name)).map((name) => `sources.list.d/${name}`),
  ];
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8").catch(() => "")));
  return texts.join("\n");
}
