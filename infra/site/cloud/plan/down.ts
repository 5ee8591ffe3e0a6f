/** Plans the removal of everything of a site, and of nothing else. Pure. */
import type { Action, ObservedServer, ObservedSite, Resource } from "./site-state.ts";

/** Hosts of cb-queue go first, so that no builder is created any more; groups go last, because ports use them. */
export function planDown(site: string, { groups, images, ports, servers, builders }: ObservedSite): Action[] {
  const ours = servers.filter(({ isOurs }) => isOurs);
  const queue = ours.filter(({ role }) => role === "queue");
  return [
    ...queue.map(deletion),
    // Asked for again when no queue runs, so also for builders that are not listed yet.
    ...(queue.length > 0 || builders.length > 0 ? [{ kind: "delete-builders", name: site } as const] : []),
    ...ours.filter(({ role }) => role !== "queue").map(deletion),
    ...own(ports).map(({ name, id }): Action => ({ kind: "delete-port", name, id })),
    ...own(groups).map(({ name, id }): Action => ({ kind: "delete-group", name, id })),
    ...own(images).map(({ name, id }): Action => ({ kind: "delete-image", name, id })),
  ];
}

const deletion = ({ name, id }: ObservedServer): Action => ({ kind: "delete-server", name, id });

const own = <Item extends Resource>(items: readonly Item[]): Item[] => items.filter(({ isOurs }) => isOurs);
