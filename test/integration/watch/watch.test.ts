/** Metrics, health checks and status of a real queue: they follow a build, and an outage of NATS. promtool checks the format. */
import { execFile, execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { promtoolPath } from "../../../infra/tools/setup/unpacked-program.ts";
import type { StatusData } from "../../../lib/queue/http/status-data.ts";
import { configWith } from "../../support/queue/own-queue.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { PROJECT, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack; url: string }>("watching the queue");

test.before(async (world) => {
  world.stack = await Stack.start();
  const { stdout } = await world.stack.run("cb-local", ["status"]);
  world.url = /^status page: (http:\S+)\/$/m.exec(stdout)?.[1] ?? "";
});
test.after(({ stack }) => stack.stop());

const get = async (url: string): Promise<string> => (await fetch(url)).text();
const readiness = async (url: string) => {
  const reply = await fetch(`${url}/readyz`);
  return { status: reply.status, ...((await reply.json()) as { ready: boolean; reasons: string[] }) };
};

/** The value of one series; undefined when the page does not have it. */
function valueIn(page: string, series: string): number | undefined {
  const line = page.split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

/** The exit code of promtool, with its output. */
const promtool = async (args: readonly string[], input = ""): Promise<string> => {
  const path = await promtoolPath();
  return new Promise((resolve) => {
    const child = execFile(path, args, (error, stdout, stderr) => resolve(`${error?.code ?? 0} ${stdout}${stderr}`));
    child.stdin?.end(input);
  });
};

test("the metrics follow a build from its reservation to its end, and promtool accepts them", async ({
  stack,
  url,
}) => {
  const before = await get(`${url}/metrics`);
  assert.is(valueIn(before, 'container_builder_builders{pool="local",state="ready"}'), 2);
  assert.is(valueIn(before, 'container_builder_builds_reserved_total{pool="local"}'), 0);
  const built = await stack.run("container-builder", [stack.path("x.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
  // The log is sealed after the client has its image.
  const page = await until("the stored log is counted", async () => {
    const text = await get(`${url}/metrics`);
    return (valueIn(text, 'container_builder_stored_bytes_total{kind="log"}') ?? 0) > 0 && text;
  });
  for (const series of [
    'container_builder_builds_reserved_total{pool="local"}',
    'container_builder_build_leases_total{pool="local"}',
    'container_builder_builds_ended_total{pool="local",outcome="succeeded"}',
    'container_builder_build_wait_seconds_count{pool="local"}',
    'container_builder_build_duration_seconds_count{pool="local",outcome="succeeded"}',
    'container_builder_requests_total{request="reserve"}',
    'container_builder_builds{pool="local",state="ended"}',
    "container_builder_ready",
  ])
    assert.is(valueIn(page, series), 1, series);
  assert.ok((valueIn(page, 'container_builder_builder_boot_seconds_count{pool="local"}') ?? 0) >= 2);
  assert.ok((valueIn(page, 'container_builder_stored_bytes_total{kind="image"}') ?? 0) > 0);
  for (const certificate of ["nats_ca", "nats_server"]) {
    const endS = valueIn(page, `container_builder_certificate_end_timestamp_seconds{certificate="${certificate}"}`);
    assert.ok((endS ?? 0) > Date.now() / 1000, certificate);
  }
  assert.is(await promtool(["check", "metrics"], page), "0 ");
});

test("promtool accepts the alert rules, and their tests pass", async () => {
  const folder = join(PROJECT, "infra", "monitoring");
  assert.match(await promtool(["check", "rules", join(folder, "alerts.yml")]), /^0 .*SUCCESS/s);
  assert.match(await promtool(["test", "rules", join(folder, "alerts-test.yml")]), /^0 .*SUCCESS/s);
});

test("only GET and HEAD of known paths under known host names are answered, without a body", async ({ url }) => {
  const port = Number(new URL(url).port);
  const statusOf = (...args: string[]) =>
    execFileSync("curl", [
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      ...args,
      `http://127.0.0.1:${port}/`,
    ]).toString();
  assert.is(statusOf(), "200");
  assert.is(statusOf("--head"), "200");
  assert.is(statusOf("-H", "Host: evil.example"), "421");
  assert.is(statusOf("-X", "POST"), "405");
  assert.is(statusOf("-X", "GET", "-d", "body"), "413");
  assert.is(statusOf("-H", `X: ${"x".repeat(9000)}`), "431");
  assert.is((await fetch(`${url}/constructor`)).status, 404);
});

test("a queue with a port in use works, logs the remedy, and listens when the port is free", async ({ stack }) => {
  const taken = createServer();
  await new Promise<void>((resolve) => void taken.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const address = taken.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const path = configWith(stack, (config) => {
    config.http = { listen: `127.0.0.1:${port}` };
    config.nats.url = "tls://127.0.0.1:1";
  });
  const running = stack.start("cb-queue", ["--config", path]);
  await running.seen(new RegExp(`cannot listen on 127\\.0\\.0\\.1 port ${port}: .*EADDRINUSE`));
  await running.seen(/NATS cannot be reached yet/);
  taken.close();
  await running.seen(/"msg":"metrics, health checks and the status page are served"/);
  assert.is((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
  running.kill("SIGTERM");
  assert.is((await running.finished).code, 0);
});

test("an address that this machine does not have is a configuration error with its remedy", async ({ stack }) => {
  const path = configWith(stack, (config) => {
    config.http = { listen: "192.0.2.1:9464" };
  });
  const { code, stderr } = await stack.run("cb-queue", ["--config", path]);
  assert.is(code, 78, stderr);
  assert.match(stderr, /cannot listen on 192\.0\.2\.1 port 9464: .*EADDRNOTAVAIL/);
  assert.match(stderr, /this machine has no such address: choose one of its own; the setting is http\.listen/);
});

test("while NATS is away the queue is healthy and not ready, with the reason, and ready again afterwards", async ({
  stack,
  url,
}) => {
  assert.equal(await readiness(url), { status: 200, ready: true, reasons: [] });
  await stack.natsEnds("SIGKILL");
  const away = await until("the queue is not ready", async () => {
    const found = await readiness(url);
    return !found.ready && found.reasons.join().includes("records, requests, readers") && found;
  });
  assert.is(away.status, 503);
  assert.equal(away.reasons, ["not connected to NATS (records, requests, readers)"]);
  assert.is((await fetch(`${url}/healthz`)).status, 200);
  const data = JSON.parse(await get(`${url}/status.json`)) as StatusData;
  assert.equal(data.notReady, away.reasons);
  assert.is(valueIn(await get(`${url}/metrics`), "container_builder_ready"), 0);
  await stack.up();
  await until("the queue is ready again", async () => (await readiness(url)).ready);
});

test.run();
