import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../lib/queue/builds/record.ts";
import { STATUS_PAGE, STATUS_PAGE_POLICY } from "../../../lib/queue/http/page.ts";
import { statusData } from "../../../lib/queue/http/status-data.ts";

const test = suite("status page");

const inside = (tag: string): string[] =>
  [...STATUS_PAGE.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, "g"))].map(([, text = ""]) => text);
const hash = (text: string): string => createHash("sha256").update(text).digest("base64");

test("the policy allows the one script and the one style of the page, and nothing from elsewhere", () => {
  const [scripts, styles] = [inside("script"), inside("style")];
  assert.equal([scripts.length, styles.length], [1, 1]);
  assert.ok(STATUS_PAGE_POLICY.includes(`script-src 'sha256-${hash(scripts[0] ?? "")}'`));
  assert.ok(STATUS_PAGE_POLICY.includes(`style-src 'sha256-${hash(styles[0] ?? "")}'`));
  assert.match(STATUS_PAGE_POLICY, /default-src 'none'.*frame-ancestors 'none'.*require-trusted-types-for 'script'/);
  assert.not.match(STATUS_PAGE, /https?:|\/\/[a-z]|<script |<link rel="stylesheet|@import| style="| on[a-z]+="/);
});

test("the script writes no HTML", () => {
  assert.not.match(
    inside("script")[0] ?? "",
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(/,
  );
});

test("the page is a document with a language, headings, named tables, and a hint for browsers without JavaScript", () => {
  assert.match(STATUS_PAGE, /^<!doctype html>\n<html lang="en">/);
  assert.is([...STATUS_PAGE.matchAll(/<table role="table" aria-label="[^"]+"/g)].length, 4);
  assert.match(STATUS_PAGE, /<noscript>.*href="status\.json"/);
});

const ID = "00000000-0000-4000-8000-000000000000";
const build = (over: Partial<BuildRecord>): BuildRecord => ({
  v: 1,
  build: ID,
  user: "ada",
  name: "a\u202Eb\n<b>.sif",
  request: ID,
  backend: "singularity",
  pool: "p",
  state: "waiting",
  createdAtMs: 1,
  attempt: 0,
  ...over,
});
const dataOf = (...records: BuildRecord[]) =>
  statusData({
    installation: "site",
    version: "1",
    nowMs: 10,
    notReady: [],
    warnings: [],
    source: {
      pools: new Map(),
      poolKinds: [],
      builds: { all: () => records },
      waiting: () =>
        records.map((_, index) => ({
          build: ID,
          position: index + 1,
          waiting: records.length,
          reason: "r".repeat(400),
        })),
    },
  });

test("statusData() replaces invisible characters and shortens long texts", () => {
  const [waiting] = dataOf(build({})).waiting.builds;
  assert.is(waiting?.name, "a b <b>.sif");
  assert.is(waiting?.reason.length, 300);
});

test("statusData() shows at most 100 builds, and the number of all", () => {
  const running = dataOf(...Array.from({ length: 101 }, () => build({ state: "leased", leasedAtMs: 2 }))).running;
  assert.equal([running.total, running.builds.length], [101, 100]);
});

test("the reason that an agent gave for a failed build is not shown: it may quote the recipe", () => {
  const failed = { v: 1, state: "failed", exitCode: 3, reason: "secret recipe text" } as const;
  const lost = { v: 1, state: "lost", reason: "its builder was lost" } as const;
  const { failures } = dataOf(
    build({ state: "ended", final: failed, endedAtMs: 5 }),
    build({ state: "ended", final: lost, endedAtMs: 6 }),
  );
  assert.equal(
    failures.map(({ reason }) => reason),
    ["its builder was lost", "its recipe failed with exit code 3"],
  );
});

test("statusData() of a queue that starts has no pools and no builds", () => {
  const data = statusData({
    installation: "site",
    version: "1",
    nowMs: 1,
    notReady: ["not connected to NATS"],
    warnings: [],
    source: undefined,
  });
  assert.equal([data.pools, data.running.total, data.waiting.total, data.failures], [[], 0, 0, []]);
});

test.run();
