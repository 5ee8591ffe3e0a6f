import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { Registry } from "../../../lib/core/metrics.ts";
import { subjects } from "../../../lib/protocol/subjects.ts";
import type { BuildRecord } from "../../../lib/queue/builds/record.ts";
import { countCloudCalls } from "../../../lib/queue/watch/cloud-metrics.ts";
import { QueueMetrics } from "../../../lib/queue/watch/queue-metrics.ts";

const test = suite("queue metrics");

const ID = "00000000-0000-4000-8000-000000000000";
const waiting: BuildRecord = {
  v: 1,
  build: ID,
  user: "ada",
  name: "x.sif",
  request: ID,
  backend: "singularity",
  pool: "p",
  state: "waiting",
  createdAtMs: 1_000,
  attempt: 0,
};
const leased: BuildRecord = { ...waiting, state: "leased", attempt: 1, builder: ID, leasedAtMs: 4_000 };

/** The lines of the page without comments, and without the series that are still 0. */
const valuesOf = (registry: Registry): string[] =>
  registry
    .text()
    .split("\n")
    .filter((line) => /^container_builder_\w+(?<!_bucket)\{.* [^0]\S*$/.test(line))
    .map((line) => line.replace("container_builder_", ""));

test("QueueMetrics counts a build from its reservation over the lease and a loss to its end, and no other change", () => {
  const registry = new Registry();
  const metrics = new QueueMetrics(registry, ["p"]);
  metrics.buildChanged(waiting);
  metrics.buildChanged(leased, waiting);
  const again: BuildRecord = { ...waiting, loss: { builder: ID, atMs: 10_000, reason: "lost" } };
  metrics.buildChanged(again, leased);
  const second: BuildRecord = { ...leased, loss: again.loss, leasedAtMs: 15_000 };
  metrics.buildChanged(second, again);
  const final = { v: 1, state: "succeeded", bytes: 7, digest: "d" } as unknown as NonNullable<BuildRecord["final"]>;
  const ended: BuildRecord = { ...second, state: "ended", final, endedAtMs: 35_000 };
  metrics.buildChanged(ended, second);
  metrics.buildChanged({ ...ended, announced: true }, ended);
  assert.equal(valuesOf(registry), [
    'builds_reserved_total{pool="p"} 1',
    'build_leases_total{pool="p"} 2',
    'build_losses_total{pool="p"} 1',
    'builds_ended_total{pool="p",outcome="succeeded"} 1',
    'build_wait_seconds_sum{pool="p"} 8',
    'build_wait_seconds_count{pool="p"} 2',
    'build_duration_seconds_sum{pool="p",outcome="succeeded"} 20',
    'build_duration_seconds_count{pool="p",outcome="succeeded"} 1',
    'stored_bytes_total{kind="image"} 7',
  ]);
});

test("a refusal is counted by request and reason; no user, builder or invented verb becomes a label", () => {
  const registry = new Registry();
  const metrics = new QueueMetrics(registry, []);
  metrics.refused(subjects.queue("reserve", "ada"), new CbError("usage", "no"), false);
  metrics.refused(subjects.ask(ID), new CbError("infrastructure", "no"), true);
  metrics.refused(
    `${subjects.queue("reserve", "ada").replace("reserve", "invented")}`,
    new CbError("usage", "no"),
    false,
  );
  assert.equal(valuesOf(registry), [
    'requests_refused_total{request="ask",reason="too_many"} 1',
    'requests_refused_total{request="reserve",reason="usage"} 1',
    'requests_refused_total{request="unknown",reason="usage"} 1',
  ]);
});

test("countCloudCalls() tells refused logins, rate limits, failures and lost replies apart", () => {
  const registry = new Registry();
  const onCall = countCloudCalls(registry);
  for (const status of [200, 202, 401, 429, 404, 503, undefined]) onCall("compute", status);
  assert.equal(
    valuesOf(registry).map((line) => line.replace(/.*result="(.*)"\} /, "$1 ")),
    ["client_error 1", "limited 1", "no_reply 1", "ok 2", "refused 1", "server_error 1"],
  );
});

test.run();
