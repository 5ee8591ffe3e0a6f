/** The output of `site init`: the files that changed, and the steps that follow; for programs, that of `site renew` too. */
import { queueHosts, type Site } from "../answers/site-schema.ts";
import { copiesCommand } from "../files/copies-files.ts";
import { HOST_CA } from "../files/nats-files.ts";
import { NATS_GROUP, QUEUE_GROUP, type SiteFile } from "../files/site-file.ts";
import { copyLines, stepsText } from "../files/steps-text.ts";
import type { Change } from "./changes.ts";

export interface Changed {
  readonly folder: string;
  readonly site: Site;
  readonly files: readonly SiteFile[];
  readonly changes: readonly Change[];
  readonly isNew: boolean;
  readonly left: readonly string[];
}

/** The same for programs. A file that was removed has no holder any more. */
export function changesDocument({ folder, files, changes, left }: Changed): object {
  const places = new Map(files.map(({ path, holder, target }) => [path, { holder, target }]));
  return {
    v: 1,
    folder,
    changes: changes.map((change) => ({ ...change, ...places.get(change.path) })),
    retiredOperators: left,
  };
}

/** Ends with a line break. */
export function changesText(changed: Changed): string {
  const { folder, site, files, changes, isNew, left } = changed;
  const leaving = left.map(
    (name) => `The credential of operator ${name} works until: cb-admin site renew ${folder} --finish\n`,
  );
  if (changes.length === 0) return [...leaving, `nothing to do: ${folder} is as site.yaml describes it\n`].join("");
  const width = Math.max(...changes.map(({ kind }) => kind.length));
  const listed = changes.map(({ kind, path }) => `  ${kind.padEnd(width)}  ${path}\n`);
  const next = isNew
    ? `Next, in the folder ${folder} (also in install.txt):\n\n${stepsText(site, files)}`
    : site.cloud === undefined
      ? nextText(changed)
      : `Next: cb-admin site update ${folder}\n`;
  return [`${folder}:\n`, ...listed, ...leaving, "\n", next].join("");
}

function nextText(changed: Changed): string {
  const steps = copySteps(changed, "apply");
  return [
    ...(becameCluster(changed.changes) ? [CLUSTER_NOTE] : []),
    ...(steps.length === 0 ? [] : ["Next, in that folder, one host after the other:", ...steps]),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

type ChangedFiles = Pick<Changed, "site" | "files" | "changes">;

/**
 * The copies and restarts that the changes need, in their order. "keep": the running NATS servers have the accounts already, and their
 * file is for their next start.
 */
export function copySteps({ site, files, changes }: ChangedFiles, nats: "apply" | "keep"): string[] {
  const changed = new Set(changes.filter(({ kind }) => kind !== "removed").map(({ path }) => path));
  const touched = files.filter(({ path }) => changed.has(path));
  const addresses = new Map([...site.nats.hosts, ...queueHosts(site)].map(({ name, address }) => [name, address]));
  const people = new Set(
    touched.map(({ holder }) => holder).filter((holder) => holder === "clients" || holder.startsWith("operator ")),
  );
  return [
    ...[...addresses].flatMap(([name, address]) => {
      const own = touched.filter(({ holder }) => holder === name);
      const groups = new Set(own.map(({ group }) => group));
      const whole = files.filter(({ holder, group }) => holder === name && groups.has(group));
      const changedOwn = nats === "keep" ? own.filter(({ target }) => !target.endsWith("/nats-server.conf")) : own;
      const hasQueue = queueHosts(site).some((host) => host.name === name);
      const services = serviceLines(changedOwn, { address, hasQueue });
      const command = copiesCommand(name, changes);
      const copies = command === undefined ? [] : [`ssh root@${address} '${command}'`];
      return [...copyLines(whole, new Map([[name, address]])), ...copies, ...services];
    }),
    ...[...people].map((holder) => `Copy the files of ${holder} again (files.txt says where).`),
  ];
}

const CLUSTER_NOTE =
  "A single server's streams do not become those of a cluster: back up first, and restore afterwards (docs/backup.md).";

/** A host that had a configuration gets its first route certificate. */
function becameCluster(changes: readonly Change[]): boolean {
  return changes.some(({ kind, path }) => {
    const conf = path.replace("tls/route.key", "nats-server.conf");
    return kind === "new" && conf !== path && changes.some((other) => other.path === conf && other.kind === "changed");
  });
}

/**
 * nats-server reads certificates again on SIGHUP; a changed configuration needs a restart, which hands over its clients first. cb-queue
 * alone uses the CA of the servers, and reads it when it starts.
 */
function serviceLines(
  own: readonly SiteFile[],
  { address, hasQueue }: { address: string; hasQueue: boolean },
): string[] {
  const nats = own.filter(({ group, target }) => group === NATS_GROUP && target !== HOST_CA);
  const verb = nats.every(({ target }) => target.includes("/tls/")) ? "reload" : "restart";
  const isQueueChanged = own.some(({ group, target }) => group === QUEUE_GROUP || target === HOST_CA);
  return [
    ...(nats.length === 0 ? [] : [`ssh root@${address} systemctl ${verb} cb-nats`]),
    ...(hasQueue && isQueueChanged ? [`ssh root@${address} systemctl try-restart cb-queue`] : []),
  ];
}
