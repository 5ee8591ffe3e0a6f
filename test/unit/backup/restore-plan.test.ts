/** Which streams of a backup a restore makes, and when it refuses. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BackupManifest } from "../../../lib/cli/admin/backup-manifest.ts";
import { planRestore } from "../../../lib/cli/admin/restore-plan.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("plan of a restore");

const TIME = "2026-11-27T06:47:13.741897631Z";

const saved = (name: string, last_seq = 10, lastSeqMax = last_seq) => ({
  name,
  bytes: 1,
  sha256: "",
  config: { name, num_replicas: 1 },
  state: { messages: 1, bytes: 1, last_seq, last_ts: TIME },
  lastSeqMax,
});

const manifest = (...streams: BackupManifest["streams"]) => ({ streams }) as unknown as BackupManifest;

const existing = (name: string, lastSeq = 10, lastTime = TIME, isInMemory = false) => {
  return { name, bytes: 1, lastSeq, lastTime, isSealed: false, isInMemory };
};

test("on an empty server it makes every stream, the last saved first", () => {
  const { missing, restored } = planRestore(manifest(saved("records"), saved("log")), []);
  assert.equal(
    missing.map(({ name }) => name),
    ["log", "records"],
  );
  assert.is(restored, 0);
});

test("a stream with the last message of the backup was restored before", () => {
  const { missing, restored } = planRestore(manifest(saved("a"), saved("b")), [existing("a")]);
  assert.equal(
    missing.map(({ name }) => name),
    ["b"],
  );
  assert.is(restored, 1);
});

const refused = (plan: () => unknown, name: string) => {
  try {
    plan();
  } catch (error) {
    assert.instance(error, CbError);
    assert.is((error as CbError).kind, "usage");
    assert.match((error as CbError).message, name);
    return;
  }
  assert.unreachable("it was not refused");
};

test("a stream with one message more or less, or another last message, is refused", () => {
  const backup = manifest(saved("a"));
  refused(() => planRestore(backup, [existing("a", 11)]), "a");
  refused(() => planRestore(backup, [existing("a", 9)]), "a");
  refused(() => planRestore(backup, [existing("a", 10, "2026-11-27T06:47:13.740Z")]), "a");
});

test("a stream of which the last message was removed may name the time of an earlier one of the backup", () => {
  const first_ts = "2026-11-27T06:47:13.740Z";
  const backup = (num_deleted: number, bytes = 1) => {
    const stream = saved("a");
    return manifest({ ...stream, state: { ...stream.state, bytes, first_ts, num_deleted } });
  };
  assert.is(planRestore(backup(1), [existing("a", 10, first_ts)]).restored, 1);
  refused(() => planRestore(backup(0), [existing("a", 10, first_ts)]), "a");
  refused(() => planRestore(backup(1, 2), [existing("a", 10, first_ts)]), "a");
  refused(() => planRestore(backup(1), [existing("a", 10, "2026-11-27T06:47:13.739Z")]), "a");
  refused(() => planRestore(backup(1), [existing("a", 10, "2026-11-27T06:47:13.742Z")]), "a");
});

test("the archive of a stream that was written meanwhile may end anywhere up to the last message", () => {
  const backup = manifest(saved("a", 10, 12));
  assert.is(planRestore(backup, [existing("a", 12, "2026-11-27T07:00:00Z")]).restored, 1);
  refused(() => planRestore(backup, [existing("a", 13, "2026-11-27T07:00:00Z")]), "a");
});

test("a stream that the backup does not have is refused, unless it is in memory", () => {
  refused(() => planRestore(manifest(saved("a")), [existing("other")]), "other");
  assert.is(planRestore(manifest(saved("a")), [existing("other", 1, TIME, true)]).restored, 0);
});

test("a refusal names five streams and counts the others", () => {
  const seven = Array.from({ length: 7 }, (_, at) => existing(`s${at}`));
  refused(() => planRestore(manifest(), seven), "s0, s1, s2, s3, s4 and 2 more");
});

test.run();
