/** `admin.streams`: the builds that have streams with content and no record, within the bound of a reply. */
import type { Clock } from "../../core/clock.ts";
import { type StreamsReply, UNRECORDED_BUILDS_MAX } from "../../protocol/admin-messages.ts";
import type { UnrecordedBuilds } from "../builds/unrecorded-builds.ts";

export async function listStreams(unrecorded: UnrecordedBuilds, clock: Clock): Promise<StreamsReply> {
  const found = await unrecorded.list();
  return { v: 1, nowMs: clock.nowMs(), total: found.length, builds: found.slice(0, UNRECORDED_BUILDS_MAX) };
}
