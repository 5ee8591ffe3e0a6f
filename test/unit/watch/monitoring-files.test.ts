/** The alert rules and the dashboard: each name of a metric exists, and each alert has its section in the documentation. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { Registry } from "../../../lib/core/metrics.ts";
import { countCloudCalls } from "../../../lib/queue/watch/cloud-metrics.ts";
import { processMetrics } from "../../../lib/queue/watch/process-metrics.ts";
import { QueueMetrics } from "../../../lib/queue/watch/queue-metrics.ts";
import { Readiness } from "../../../lib/queue/watch/readiness.ts";
import { StateMetrics } from "../../../lib/queue/watch/state-metrics.ts";

const test = suite("monitoring files");
const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}
interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly gridPos: { readonly x: number; readonly y: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly query: unknown }[] };
}

const rules = (parse(read("infra/monitoring/alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(read("infra/monitoring/dashboard.json")) as Dashboard;
const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

function knownNames(): Set<string> {
  const registry = new Registry();
  new QueueMetrics(registry, []);
  new StateMetrics({ registry, readiness: new Readiness([]) });
  countCloudCalls(registry);
  processMetrics(registry).stop();
  return new Set([...registry.names(), "up"]);
}

/** Words outside of quotes and braces that have an underscore and are no function or label list of PromQL. */
const namesIn = (expression: string): string[] =>
  expression
    .replace(/"[^"]*"/g, '""')
    .replace(/\{[^}]*\}/g, "")
    .replace(/\[[^\]]*\]/g, "")
    .match(/\b(?:container_builder|process|nodejs)_\w+|\bup\b/g) ?? [];

test("each expression of alerts and dashboard has names of metrics that the queue serves", () => {
  const known = knownNames();
  for (const expression of [...rules.map(({ expr }) => expr), ...expressions]) {
    const names = namesIn(expression);
    assert.ok(names.length > 0, expression);
    for (const name of names) assert.ok(known.has(name), `${name} in ${expression}`);
  }
});

test("panels have an id and a place of their own", () => {
  const { panels } = dashboard;
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.is(new Set(panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size, panels.length);
});

test("each alert names its remedy, and a section of the documentation that exists", () => {
  const document = read("docs/monitoring.md");
  const sections = [...document.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title.toLowerCase().replaceAll(" ", "-"),
  );
  for (const { alert, annotations } of rules) {
    const [page, section] = annotations.runbook_url.split("#");
    assert.is(page, "docs/monitoring.md", alert);
    assert.ok(sections.includes(section ?? ""), `${alert}: there is no section ${section}`);
    assert.ok(annotations.description.length > 40, alert);
  }
});

test("each alert has a test", () => {
  const tests = read("infra/monitoring/alerts-test.yml");
  for (const { alert } of rules) assert.ok(tests.includes(alert), alert);
});

test.run();
