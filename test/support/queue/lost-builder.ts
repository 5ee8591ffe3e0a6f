/** Builds of the lab whose builder dies, and what their streams then tell. */

import { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import type { BuildState } from "../../../lib/protocol/build-messages.ts";
import { buildStream, GUEST_API_PREFIX, subjects } from "../../../lib/protocol/subjects.ts";
import { LogWriter } from "../../../lib/transfer/log-writer.ts";
import type { LabAgent } from "./lab-agent.ts";
import { LOG_BYTES, type QueueLab } from "./queue-lab.ts";

/** A build on its first builder. */
export async function running(lab: QueueLab): Promise<{ build: string; first: LabAgent }> {
  const build = await lab.reserve();
  return { build, first: await lab.leased(build, 1) };
}

/** The same, whose builder stands still, and is on its way out and does not go. */
export async function stuck(lab: QueueLab): Promise<{ build: string; first: LabAgent }> {
  const { build, first } = await running(lab);
  lab.cloud.letsGo = false;
  first.frozen = true;
  await lab.until("the loss", () => lab.record(build)?.loss);
  return { build, first };
}

export const statesOf = (told: readonly (BuildState | string)[]): BuildState[] =>
  told.filter((one): one is BuildState => typeof one !== "string");

/** The attempts that were leased, in the order of the stream. */
export const leasesOf = (told: readonly (BuildState | string)[]): number[] =>
  statesOf(told).flatMap((state) => (state.state === "leased" ? [state.attempt] : []));

/** Why builds were leased again, as those leases say it. */
export const lossesOf = (told: readonly (BuildState | string)[]): string[] =>
  statesOf(told).flatMap((state) => (state.state === "leased" && state.lost !== undefined ? [state.lost] : []));

/** A log as the agent of this lease writes it. */
export async function logOf(
  lab: QueueLab,
  build: string,
  agent: LabAgent,
): Promise<{ log: LogWriter; publisher: Publisher }> {
  const guest = await lab.bus.connect(agent.lease?.jwt ?? "", agent.key);
  const publisher = new Publisher(
    { nc: guest.connection, apiPrefix: GUEST_API_PREFIX, inboxPrefix: guest.inboxPrefix },
    { stream: buildStream(build) },
  );
  return { log: new LogWriter(publisher, { subject: subjects.log(build), maxBytes: LOG_BYTES }), publisher };
}
