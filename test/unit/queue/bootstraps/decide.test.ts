import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isUserName } from "../../../../lib/protocol/ids.ts";
import { principals } from "../../../../lib/protocol/subjects.ts";
import {
  BOOTSTRAP_USER,
  isWanted,
  type NextJobInput,
  nextJob,
  overdueJobs,
  surplusTrees,
  TREE_AGE_MAX_MS,
  TREE_RENEW_MS,
  type TreeWish,
  treeFor,
  treeName,
} from "../../../../lib/queue/bootstraps/decide.ts";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";

const test = suite("packed trees");

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOW_MS = 1_000 * HOUR_MS;
const debian = { suite: "trixie", mirror: "http://deb.debian.org/debian", include: "" };
const wish: TreeWish = { arguments: debian, pool: "p", builderImage: "one" };
const other: TreeWish = { ...wish, arguments: { ...debian, suite: "sid" } };

let builds = 0;
const job = (ageMs: number, over: Partial<BuildRecord> = {}): BuildRecord => ({
  v: 1,
  build: `build-${++builds}`,
  user: BOOTSTRAP_USER,
  name: treeName(debian),
  request: `request-${builds}`,
  backend: "singularity",
  pool: "p",
  state: "ended",
  createdAtMs: NOW_MS - ageMs,
  leasedAtMs: NOW_MS - ageMs,
  endedAtMs: NOW_MS - ageMs,
  attempt: 1,
  builderImage: "one",
  final: { v: 1, state: "succeeded", bytes: MIB, digest: "" },
  ...over,
});
const failed = (ageMs: number, over: Partial<BuildRecord> = {}) =>
  job(ageMs, { final: { v: 1, state: "failed", exitCode: 1, reason: "" }, ...over });

const found = (record: BuildRecord, wanted = wish) => treeFor(wanted, [record], NOW_MS) !== undefined;

test("a build gets a tree of its arguments, pool and builder image that is younger than a day", () => {
  assert.ok(found(job(TREE_AGE_MAX_MS - 1)));
  assert.not(found(job(TREE_AGE_MAX_MS)));
  assert.not(found(job(-TREE_AGE_MAX_MS)), "made in the future, before the clock stepped back");
  assert.not(found(job(1), other));
  assert.not(found(job(1), { ...wish, pool: "q" }));
  assert.not(found(job(1), { ...wish, builderImage: "two" }));
  const [older, newer] = [job(2), job(1)];
  assert.is(treeFor(wish, [older, newer], NOW_MS)?.build, newer.build);
});

test("no tree is from a user, from a job that failed, or from an image that is deleted, given up or too large", () => {
  assert.not(found(job(1, { user: "bootstrap" })));
  assert.not(found(failed(1)));
  assert.not(found(job(1, { bucketDeleted: true })));
  assert.not(found(job(1, { received: true })));
  const sized = (bytes: number) => job(1, { final: { v: 1, state: "succeeded", bytes, digest: "" } });
  assert.ok(found(sized(512 * MIB)));
  assert.not(found(sized(512 * MIB + 1)));
});

test("no credential, no request and no user can have the name of the queue's own user", () => {
  assert.not(isUserName(BOOTSTRAP_USER));
  assert.is(principals.users.of(`queue.reserve.${BOOTSTRAP_USER}`), undefined);
});

test("a tree is given up when it is a day old, replaced or too large, and the oldest one beyond the limit", () => {
  const given = (records: BuildRecord[], max = 8) =>
    surplusTrees(records, { max, nowMs: NOW_MS }).map(({ build }) => build);
  const [young, older, old] = [job(1), job(2), job(TREE_AGE_MAX_MS)];
  assert.equal(given([young]), []);
  assert.equal(given([old]), [old.build]);
  assert.equal(given([older, young]), [older.build]);
  const large = job(1, { final: { v: 1, state: "succeeded", bytes: 513 * MIB, digest: "" } });
  assert.equal(given([large]), [large.build]);
  const others = [1, 2, 3].map((ageMs) => job(ageMs, { name: `suite-${ageMs}` }));
  assert.equal(given(others, 3), []);
  assert.equal(given(others, 2), [others[2]?.build]);
  assert.equal(given([job(TREE_AGE_MAX_MS, { user: "ada" })]), [], "never the image of a user");
});

const next = (over: Partial<NextJobInput> = {}) =>
  nextJob({
    wishes: [wish, other],
    records: [],
    waiting: new Set(),
    free: new Map([["p", 2]]),
    nowMs: NOW_MS,
    ...over,
  });

test("a job begins with the oldest wish, while no build waits in the pool and one ready builder is left", () => {
  assert.is(next(), wish);
  assert.is(next({ free: new Map([["p", 1]]) }), undefined);
  assert.is(next({ free: new Map([["q", 2]]) }), undefined);
  assert.is(next({ waiting: new Set(["p"]) }), undefined);
  assert.is(next({ waiting: new Set(["q"]) }), wish);
});

test("one job runs at a time, and twelve begin in an hour at most", () => {
  assert.is(next({ records: [job(1, { state: "waiting" })] }), undefined);
  assert.is(next({ records: [job(1, { state: "leased", name: "another" })] }), undefined);
  const many = (count: number, ageMs: number) => Array.from({ length: count }, () => job(ageMs, { name: "another" }));
  assert.is(next({ records: many(11, HOUR_MS - 1) }), wish);
  assert.is(next({ records: many(12, HOUR_MS - 1) }), undefined);
  assert.is(next({ records: many(12, HOUR_MS) }), wish);
});

test("a tree is made again when it is half a day old", () => {
  assert.is(next({ records: [job(TREE_RENEW_MS - 1)] }), other);
  assert.is(next({ records: [job(TREE_RENEW_MS)] }), wish);
  assert.not(isWanted(job(TREE_RENEW_MS - 1), NOW_MS));
  assert.ok(isWanted(job(TREE_RENEW_MS), NOW_MS));
  assert.ok(isWanted(undefined, NOW_MS));
});

test("after a failure its arguments wait five minutes, twice as long after each further one, and six hours at most", () => {
  assert.is(next({ records: [failed(5 * MINUTE_MS - 1)] }), other);
  assert.is(next({ records: [failed(5 * MINUTE_MS)] }), wish);
  const two = (ageMs: number) => [failed(ageMs), failed(ageMs + 30 * MINUTE_MS)];
  assert.is(next({ records: two(10 * MINUTE_MS - 1) }), other);
  assert.is(next({ records: two(10 * MINUTE_MS) }), wish);
  const many = (ageMs: number) => Array.from({ length: 12 }, (_, n) => failed(ageMs + n * HOUR_MS));
  assert.is(next({ records: many(6 * HOUR_MS - 1) }), other);
  assert.is(next({ records: many(6 * HOUR_MS) }), wish);
  const afterSuccess = [failed(5 * MINUTE_MS), job(TREE_AGE_MAX_MS), failed(TREE_AGE_MAX_MS + 1)];
  assert.is(next({ records: afterSuccess }), wish);
});

test("a job that waits or runs for a quarter of an hour is overdue", () => {
  const overdue = (record: BuildRecord) => overdueJobs([record], NOW_MS).length > 0;
  assert.not(overdue(job(15 * MINUTE_MS - 1, { state: "leased" })));
  assert.ok(overdue(job(15 * MINUTE_MS, { state: "leased" })));
  assert.ok(overdue(job(15 * MINUTE_MS, { state: "waiting" })));
  assert.not(overdue(job(15 * MINUTE_MS)));
  assert.not(overdue(job(15 * MINUTE_MS, { state: "leased", user: "ada" })));
});

test.run();
