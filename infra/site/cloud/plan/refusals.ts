/** Finds what the programs must not decide: resources of others, and hosts that would lose data. Pure. */
import type { DesiredSite, ObservedServer, ObservedSite, Resource } from "./site-state.ts";

export function refusalsOf(desired: DesiredSite, observed: ObservedSite): string[] {
  const names = (items: readonly { readonly name: string }[]): string[] => items.map(({ name }) => name);
  return [
    ...taken("security group", names(desired.groups), observed.groups),
    ...taken("image", names(desired.images), observed.images),
    ...taken("port", names(desired.hosts), observed.ports),
    ...taken("server", names(desired.hosts), observed.servers),
    ...changedImages(desired, observed),
    ...observed.servers.filter(({ isOurs }) => isOurs).flatMap((server) => losing(server, desired)),
    ...lostData(desired, observed),
  ];
}

/** A name is ours alone, once. */
function taken(kind: string, names: readonly string[], present: readonly Resource[]): string[] {
  return names.flatMap((name) => {
    const same = present.filter((one) => one.name === name);
    const other = same.find(({ isOurs }) => !isOurs);
    if (other !== undefined)
      return [`the ${kind} ${name} (${other.id}) exists and is not of this site: rename or delete it`];
    if (same.length < 2) return [];
    const ids = same.map(({ id }) => id).join(", ");
    return [`${same.length} ${kind}s of this site have the name ${name}: delete all but one of ${ids}`];
  });
}

/** A version means one content: hosts and builders of one version are alike. */
function changedImages({ images }: DesiredSite, observed: ObservedSite): string[] {
  return images.flatMap(({ name, digest }) => {
    const present = observed.images.find((one) => one.isOurs && one.isWhole && one.name === name);
    if (present === undefined || present.digest === digest) return [];
    return [`the image ${name} (${present.id}) has other content than its file: give the file another version`];
  });
}

function losing({ name, id, role, state, hasRun }: ObservedServer, { hosts }: DesiredSite): string[] {
  if (state === "broken" && hasRun) {
    return [
      `the server ${name} (${id}) has run and does not any more: repair it, or delete it if its data are not needed`,
    ];
  }
  if (role === "queue" || hosts.some((host) => host.name === name)) return [];
  return [`site.yaml does not list the NATS host ${name} (${id}): list it, or save its data and delete it`];
}

/**
 * A queue that runs on an empty store would make it look as if there had never been a build. Two of three hosts have all data, and one
 * of them cannot tell.
 */
function lostData({ hosts }: DesiredSite, { servers, pendingRestore }: ObservedSite): string[] {
  const present = servers.filter(({ isOurs, state }) => isOurs && state !== "deleting");
  const queue = present.find(({ role, hasRun }) => role === "queue" && hasRun);
  const nats = hosts.filter(({ role }) => role === "nats");
  const missing = nats.filter(({ name }) => !present.some((server) => server.name === name)).map(({ name }) => name);
  if (queue === undefined || pendingRestore !== undefined || 2 * missing.length < nats.length) return [];
  if (nats.length > 1) {
    return [
      `${missing.join(" and ")} of ${nats.length} NATS hosts are not there, and the others cannot replace their data: see docs/backup.md; a site of one host becomes one of three by way of a backup`,
    ];
  }
  return [
    `the NATS host ${missing.join()} is gone, and all builds with it: restore a backup (site up --restore BACKUP), or delete ${queue.name} too and begin without builds`,
  ];
}
