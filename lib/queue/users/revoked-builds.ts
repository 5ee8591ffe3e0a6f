/** What a revoked user leaves: builds that wait or run, and images that nobody is to fetch any more. */

import type { Endings } from "../builds/endings.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { QueuePorts } from "../ports.ts";

/**
 * Ends the builds of that user, and deletes their images. The credentials of the builds are then good for reading logs of
 * sealed streams, and for nothing else. Never throws: one that fails keeps none of the others from it, and is tried again
 * by the next tick.
 */
export async function endBuildsOf(user: string, ports: QueuePorts, endings: Endings): Promise<void> {
  for (const record of ports.builds.all().filter((one) => one.user === user && !one.emptied)) {
    try {
      await endAndEmpty(record, ports, endings);
    } catch (error) {
      ports.log.error({ err: error, build: record.build, user }, "a revoked user's build could not be ended yet");
    }
  }
}

/** How many of that user's builds wait or run. */
export function liveBuildsOf(user: string, { builds }: QueuePorts): number {
  return builds.all().filter((one) => one.user === user && one.state !== "ended").length;
}

async function endAndEmpty({ build, user }: BuildRecord, { builds }: QueuePorts, endings: Endings): Promise<void> {
  const reason = `cancelled, since the user ${user} has been revoked`;
  await endings.end(build, { v: 1, state: "cancelled", reason });
  const record = builds.get(build);
  // The tick may have come first; then its end is still being told.
  if (record !== undefined && !record.announced) await endings.finish(record);
  if (!builds.get(build)?.emptied) await endings.empty(build);
}

/** The same for every revoked user: a reservation was under way, or a queue was killed half way. Call it again and again. */
export async function endRevoked(ports: QueuePorts, endings: Endings): Promise<void> {
  const owners = new Set(ports.builds.all().flatMap(({ user, emptied }) => (emptied ? [] : [user])));
  for (const user of owners) if (ports.users.isRevoked(user)) await endBuildsOf(user, ports, endings);
}
