/** What the host's apt knows of the way to a Debian archive: mirror, proxy, certificates. Overridable by environment. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CbError } from "../../core/errors.ts";

export interface AptSettings {
  readonly mirror: string;
  readonly securityMirror: string;
  /** Lines for an apt.conf; may hold a proxy's password. */
  readonly conf: string;
}

/** The options that say how to reach an archive and when to believe it; nothing else of the host's apt is wanted. */
const WANTED =
  /^Acquire::((https?::([^ ]*::)?(Proxy|CAInfo|Verify-Peer|Timeout))|Check-Valid-Until|Check-Date|Retries)[: ]/i;

/**
 * CB_MIRROR and CB_SECURITY_MIRROR, else what the host's apt uses. Throws CbError "config" where neither names a Debian
 * archive, as on another distribution.
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
      "apt's sources on this machine name no Debian archive for the builder's root file system",
      {
        hint: "set CB_MIRROR to the URL of one, ending in /debian",
      },
    );
  }
  const beside = mirror.replace(/debian\/?$/, "debian-security");
  return {
    mirror,
    securityMirror: env.CB_SECURITY_MIRROR ?? archiveIn(sources, "debian-security") ?? beside,
    conf: relevantOptions(dump),
  };
}

/** The first archive of that name in sources.list or deb822 text: on Ubuntu there is none. */
export function archiveIn(sources: string, name: string): string | undefined {
  const active = sources.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  const uris = active.flatMap((line) => line.split(/\s+/)).filter((word) => /^https?:\/\//.test(word));
  return uris.map((uri) => uri.replace(/\/$/, "")).find((uri) => uri.endsWith(`/${name}`));
}

export function relevantOptions(dump: string): string {
  return dump
    .split("\n")
    .filter((line) => WANTED.test(line))
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
