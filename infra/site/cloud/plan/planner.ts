/** Plans what brings a site up, or up to date. Pure: types in, actions out. */

import { outdatedHosts } from "./outdated.ts";
import { refusalsOf } from "./refusals.ts";
import { planImages, planNetwork, planOldImages } from "./resources.ts";
import type { Action, DesiredHost, DesiredSite, ObservedSite, Outdated, SitePlan } from "./site-state.ts";

/** `up` makes what is missing and replaces no host. `update` replaces hosts too. */
export type Mode = "up" | "update";

export function planSite(desired: DesiredSite, observed: ObservedSite, mode: Mode): SitePlan {
  const outdated = outdatedHosts(desired, observed);
  const refusals = refusalsOf(desired, observed);
  if (refusals.length > 0) return { actions: [], refusals, outdated };
  const replaced = mode === "update" ? outdated : [];
  const remaining = mode === "update" ? [] : outdated;
  const actions = [
    ...planNetwork(desired, observed),
    ...planImages(desired, observed),
    ...planHosts(desired, observed, replaced),
    ...(remaining.length === 0 ? planOldImages(desired, observed) : []),
  ];
  return { actions, refusals, outdated: remaining };
}

function planHosts(desired: DesiredSite, observed: ObservedSite, replaced: readonly Outdated[]): Action[] {
  const names = new Set(replaced.map(({ name }) => name));
  const isReplaced = ({ name }: { readonly name: string }): boolean => names.has(name);
  const nats = desired.hosts.filter(({ role }) => role === "nats");
  const queue = desired.hosts.filter(({ role }) => role === "queue");
  const dropped = observed.servers.filter((server) => server.isOurs && server.role === "queue" && isReplaced(server));
  const unlisted = dropped
    .filter(({ name }) => !queue.some((host) => host.name === name))
    .flatMap(({ name }) => [...removal(observed, name), ...portRemoval(observed, name)]);
  const [first, ...members] = nats;
  if (first !== undefined && members.length === 0 && (isReplaced(first) || mustRestore(first, observed))) {
    return [...unlisted, ...planExchange(first, queue, observed, isReplaced(first))];
  }
  const present = nats.filter((host) => !isReplaced(host)).flatMap((host) => planHost(host, observed));
  const booted = present.some(({ kind }) => kind === "await-server");
  const answers = booted ? nats.flatMap((host) => answering(host, members.length > 0)) : [];
  const kept = queue.filter((host) => !isReplaced(host));
  return [
    ...unlisted,
    ...together([...present, ...answers, ...kept.flatMap((host) => serving(host, planHost(host, observed)))]),
    ...planMembers(nats, isReplaced, observed),
    // One after the other: where there are two, one of them serves.
    ...queue
      .filter(isReplaced)
      .flatMap((host) => [...removal(observed, host.name), ...serving(host, creation(host, observed))]),
  ];
}

/** New hosts boot at the same time, those of NATS first in the order: cb-queue waits for NATS. */
function together(actions: readonly Action[]): Action[] {
  const isWait = ({ kind }: Action): boolean => kind.startsWith("await-");
  return [...actions.filter((action) => !isWait(action)), ...actions.filter(isWait)];
}

/** The server that the backup was taken from is gone, so the backup is the only copy of the data. */
function mustRestore({ name }: DesiredHost, { servers, pendingRestore }: ObservedSite): boolean {
  if (pendingRestore === undefined) return false;
  const { replaces } = pendingRestore;
  return !servers.some(
    ({ isOurs, id, state, ...one }) => isOurs && one.name === name && id === replaces && state !== "deleting",
  );
}

/**
 * Replaces the one NATS host. Its data are saved while no queue runs, so that the backup is exact, and restored before the queue is
 * back. A run that was killed between the two finds the pending backup and goes on with it.
 */
function planExchange(
  nats: DesiredHost,
  queue: readonly DesiredHost[],
  observed: ObservedSite,
  isReplaced: boolean,
): Action[] {
  const { name } = nats;
  const { pendingRestore, servers } = observed;
  const server = servers.find((one) => one.isOurs && one.name === name);
  const silence = queue.flatMap((host) => removal(observed, host.name));
  const back = queue.flatMap((host) => serving(host, creation(host, observed)));
  if (pendingRestore !== undefined && mustRestore(nats, observed)) {
    const { folder } = pendingRestore;
    const boot = server === undefined ? creation(nats, observed) : planHost(nats, observed);
    return [...silence, ...boot, { kind: "await-nats", name }, { kind: "restore", name, folder }, ...back];
  }
  if (server === undefined || !isReplaced) return [];
  const isSaved = pendingRestore !== undefined && server.state === "stopped";
  const save: Action[] = [
    ...(server.state === "stopped" ? starting(name, server.id) : []),
    { kind: "await-nats", name },
    { kind: "backup", name, id: server.id },
  ];
  return [
    ...silence,
    ...(isSaved ? [] : save),
    // Without a stop before it: the builds are suspended and wait.
    { kind: "delete-server", name, id: server.id },
    ...creation(nats, observed),
    { kind: "await-nats", name },
    { kind: "restore", name, folder: "" },
    ...back,
  ];
}

/** A host of a cluster that boots may lack what was stored while it was away. */
function answering({ name }: DesiredHost, isMember: boolean): Action[] {
  return [{ kind: "await-nats", name }, ...(isMember ? [{ kind: "await-data", name } as const] : [])];
}

/**
 * Replaces the hosts of a cluster one after the other. Each begins with an empty disk and gets its data from the others, which must
 * have all of them.
 */
function planMembers(
  nats: readonly DesiredHost[],
  isReplaced: (host: DesiredHost) => boolean,
  observed: ObservedSite,
): Action[] {
  const [first, ...more] = nats.filter(isReplaced);
  if (first === undefined) return [];
  const others = nats.filter(({ name }) => name !== first.name);
  return [
    ...others.map(({ name }): Action => ({ kind: "await-data", name })),
    ...[first, ...more].flatMap((host) => [
      ...removal(observed, host.name),
      ...creation(host, observed),
      ...answering(host, true),
    ]),
  ];
}

/** cb-queue on a host that boots is awaited: only its answer shows that it accepts its configuration. */
function serving({ name }: DesiredHost, actions: readonly Action[]): Action[] {
  const boots = actions.some(({ kind }) => kind === "await-server");
  return boots ? [...actions, { kind: "await-queue", name }] : [...actions];
}

/** A host that is not replaced: it is created, started, or awaited. */
function planHost(host: DesiredHost, observed: ObservedSite): Action[] {
  const { name } = host;
  const server = observed.servers.find((one) => one.isOurs && one.name === name);
  if (server === undefined) return creation(host, observed);
  if (server.state === "stopped") return starting(name, server.id);
  if (server.state === "starting") return [{ kind: "await-server", name }];
  if (server.state === "running") return [];
  // It is being deleted, or it has never started: refusalsOf() keeps one that has data.
  return [{ kind: "delete-server", name, id: server.id }, ...creation(host, observed)];
}

const starting = (name: string, id: string): Action[] => [
  { kind: "start-server", name, id },
  { kind: "await-server", name },
];

/** The port of a host with another address is replaced here, while it has no server. A missing port was made before. */
function creation({ name, address, isFloating }: DesiredHost, { ports }: ObservedSite): Action[] {
  const port = ports.find((one) => one.isOurs && one.name === name);
  const isOther = port !== undefined && !isFloating && !port.addresses.includes(address);
  const exchange: Action[] = isOther
    ? [
        { kind: "delete-port", name, id: port.id },
        { kind: "create-port", name },
      ]
    : [];
  return [...exchange, { kind: "create-server", name }, { kind: "await-server", name }];
}

/** The service ends in order before its machine is deleted. */
function removal({ servers }: ObservedSite, name: string): Action[] {
  return servers
    .filter((server) => server.isOurs && server.name === name)
    .flatMap(({ id, state }): Action[] => [
      ...(state === "running" || state === "starting" ? [{ kind: "stop-server", name, id } as const] : []),
      { kind: "delete-server", name, id },
    ]);
}

function portRemoval({ ports }: ObservedSite, name: string): Action[] {
  return ports.filter((port) => port.isOurs && port.name === name).map(({ id }) => ({ kind: "delete-port", name, id }));
}
