/** Builds of the QueueLab that lose their builder, and the states in their streams. */

import { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import type { BuildState } from "../../../lib/protocol/build-messages.ts";
import { buildStream, GUEST_API_PREFIX, subjects } from "../../../lib/protocol/subjects.ts";
import { LogWriter } from "../../../lib/transfer/log-writer.ts";
import type { LabAgent } from "./lab-agent.ts";
import type { QueueLab } from "./queue-lab.ts";
import { LOG_BYTES } from "./queue-process.ts";

/** A build on its first builder. */
export async function running(lab: QueueLab): Promise<{ build: string; first: LabAgent }> {
  const build = await lab.reserve();
  return { build, first: await lab.leased(build, 1) };
}

/** A build that loses its first builder: the agent is frozen, and its machine stays in state `destroying`. */
export async function withUndeletedBuilder(lab: QueueLab): Promise<{ build: string; first: LabAgent }> {
  const { build, first } = await running(lab);
  lab.cloud.deletes = false;
  first.frozen = true;
  await lab.until("the loss", () => lab.record(build)?.loss);
  return { build, first };
}

export const statesOf = (entries: readonly (BuildState | string)[]): BuildState[] =>
  entries.filter((entry): entry is BuildState => typeof entry !== "string");

/** The attempts of the `leased` states, in the order of the stream. */
export const leasesOf = (entries: readonly (BuildState | string)[]): number[] =>
  statesOf(entries).flatMap((state) => (state.state === "leased" ? [state.attempt] : []));

/** The reasons of the losses that the `leased` states name. */
export const lossesOf = (entries: readonly (BuildState | string)[]): string[] =>
  statesOf(entries).flatMap((state) => (state.state === "leased" && state.lost !== undefined ? [state.lost] : []));

/** A log writer with the credential of the agent's lease. */
export async function logOf(
  lab: QueueLab,
  build: string,
  agent: LabAgent,
): Promise<{ log: LogWriter; publisher: Publisher }> {
  const guest = await lab.nats.connect(agent.lease?.jwt ?? "", agent.key);
  const publisher = new Publisher(
    { nc: guest.connection, apiPrefix: GUEST_API_PREFIX, inboxPrefix: guest.inboxPrefix },
    { stream: buildStream(build) },
  );
  return { log: new LogWriter(publisher, { subject: subjects.log(build), maxBytes: LOG_BYTES }), publisher };
}
