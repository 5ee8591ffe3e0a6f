/**
 * Suspends the streams of builds before their server is exchanged. A suspended stream stores nothing, because its subjects are
 * replaced by one on which no message is sent. The programs that write to it get "no responders" and wait as in an outage; readers
 * go on. So no message is stored after the backup, which would be missing on the new server.
 *
 * The streams of a backup are never suspended, and cb-queue resumes all others when it starts.
 */
import { CbError } from "../../../core/errors.ts";
import { buildOfStream, storedSubjects, suspendedSubject } from "../../../protocol/subjects.ts";
import { callApi, type JetStreamAccess } from "../api.ts";
import { listStreams } from "./list-streams.ts";
import { requestInfo, type SnapshotConfig } from "./snapshot.ts";

/**
 * Suspends every stream of a build that may still be written. Resolves with their number. May be repeated. Throws CbError
 * "infrastructure" when JetStream does not do it, "denied" when the credential may not change streams.
 */
export async function suspendStreams(js: JetStreamAccess): Promise<number> {
  const streams = await listStreams(js);
  const open = streams.filter(({ name, isSealed }) => !isSealed && buildOfStream(name) !== undefined);
  for (const { name } of open) await suspend(js, name);
  return open.length;
}

/** The configuration that the stream has when it is not suspended. */
export function resumed(config: SnapshotConfig): SnapshotConfig {
  const { name, subjects } = config;
  const isSuspended = subjects?.length === 1 && subjects[0] === suspendedSubject(name);
  return isSuspended ? { ...config, subjects: storedSubjects(name) } : config;
}

async function suspend(js: JetStreamAccess, name: string): Promise<void> {
  const info = await requestInfo(js, name);
  if (info === undefined) return;
  const config = { ...info.config, subjects: [suspendedSubject(name)] };
  const reply = await callApi(js, `STREAM.UPDATE.${name}`, config);
  if (reply.kind === "ok") return;
  const reason = reply.kind === "silent" ? "JetStream does not answer" : reply.refusal.text;
  throw new CbError("infrastructure", `the stream ${name} was not suspended: ${reason}`, { hint: "try again" });
}
