import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Registry } from "../../../lib/core/metrics.ts";

const test = suite("metrics");

test("Registry prints help, type and the sorted series of a metric, and leaves out one without a value", () => {
  const registry = new Registry();
  const builds = registry.counter({ name: "builds_total", help: "Builds.", labels: ["pool"] });
  registry.gauge({ name: "unset", help: "Not set." });
  builds.add(2, { pool: "b" });
  builds.add(0, { pool: "a" });
  const lines = ["# HELP builds_total Builds.", "# TYPE builds_total counter"];
  assert.is(registry.text(), `${[...lines, 'builds_total{pool="a"} 0', 'builds_total{pool="b"} 2'].join("\n")}\n`);
});

test("a label's value and a help text cannot leave their quotes or their line", () => {
  const registry = new Registry();
  registry.gauge({ name: "g", help: "a\nb\\", labels: ["l"] }).set(1, { l: 'x"} 9\n# \\' });
  assert.is(registry.text(), '# HELP g a\\nb\\\\\n# TYPE g gauge\ng{l="x\\"} 9\\n# \\\\"} 1\n');
});

test("a histogram counts a value at a bound in that bucket, and its buckets are cumulative", () => {
  const registry = new Registry();
  const waits = registry.histogram({ name: "w", help: "Waits.", buckets: [1, 5] });
  for (const value of [1, 1.5, 5, 6]) waits.observe(value);
  const samples = registry.text().trimEnd().split("\n").slice(2);
  assert.equal(samples, [
    'w_bucket{le="1"} 1',
    'w_bucket{le="5"} 3',
    'w_bucket{le="+Inf"} 4',
    "w_sum 13.5",
    "w_count 4",
  ]);
  assert.equal(registry.names(), ["w_bucket", "w_sum", "w_count"]);
});

test("a metric with 1000 label sets counts every further one as other", () => {
  const registry = new Registry();
  const counter = registry.counter({ name: "c_total", help: "Counts.", labels: ["id"] });
  for (let id = 0; id < 1002; id++) counter.add(1, { id: String(id) });
  assert.match(registry.text(), /^c_total\{id="999"\} 1$/m);
  assert.not.match(registry.text(), /id="1000"/);
  assert.match(registry.text(), /^c_total\{id="other"\} 2$/m);
});

test("a cleared gauge prints only the series that are set again; two metrics cannot share a name", () => {
  const registry = new Registry();
  const gauge = registry.gauge({ name: "g", help: "G.", labels: ["l"] });
  gauge.set(1, { l: "a" });
  gauge.clear();
  gauge.set(Number.POSITIVE_INFINITY, { l: "b" });
  assert.is(registry.text(), '# HELP g G.\n# TYPE g gauge\ng{l="b"} +Inf\n');
  assert.throws(() => registry.counter({ name: "g", help: "" }), /two metrics have the name g/);
});

test.run();
