/** One file of a site: its place in the site's folder, and where it goes with which owner and mode. */
import { tableText } from "../../../lib/cli/text/table.ts";

export interface SiteFile {
  /** In the site's folder. */
  readonly path: string;
  /** Its holder: a host, `operator NAME`, or `clients`. */
  readonly holder: string;
  /** The absolute path there. */
  readonly target: string;
  readonly group: string;
  readonly mode: number;
  readonly text: string;
}

/** Users and groups that the server package creates. */
export const NATS_GROUP = "cb-nats";
export const QUEUE_GROUP = "cb-queue";
export const REGISTRY_GROUP = "cb-registry";
export const ROOT_GROUP = "root";

/** For a file that is no secret. */
export const PUBLIC = 0o644;
/** For a secret that a service reads: root writes it, the service's group reads it. */
export const SERVICE_SECRET = 0o640;
/** For a secret of a person. */
export const OWN_SECRET = 0o600;

/** The folder of a host's configuration, which the units of the server package name. */
export const ETC = "/etc/container-builder";

/** A table for people and programs: one line a file. Every file belongs to root there. */
export function manifestText(files: readonly SiteFile[]): string {
  const head = ["HOLDER", "PATH THERE", "OWNER", "GROUP", "MODE", "FILE HERE"];
  const rows = files.map(({ holder, target, group, mode, path }) => [
    holder.replace(" ", ":"),
    target,
    "root",
    group,
    `0${mode.toString(8)}`,
    path,
  ]);
  return tableText([head, ...rows]);
}

/** The paths in a manifest that manifestText() wrote. */
export function pathsIn(manifest: string): string[] {
  return manifest
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/).slice(5, 6))
    .filter((path) => path !== "");
}
