/** The program cb-queue: configuration, log, restart and end. */
import { readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildersReply } from "../../../lib/protocol/admin-messages.ts";
import { configWith } from "../../support/queue/own-queue.ts";
import { counted, countedIn, counting, endless, HELLO } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("cb-queue");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

test("--check accepts the configuration of the local stack", async ({ stack }) => {
  const { code, stderr } = await stack.run("cb-queue", ["--check", "--config", stack.statePath("queue.yaml")]);
  assert.is(code, 0, stderr);
});

test("every mistake in a configuration is listed with its line, and cb-queue does not start", async ({ stack }) => {
  const good = readFileSync(stack.statePath("queue.yaml"), "utf8");
  const bad = good
    .replace("reserve: 2", "reserve: two")
    .replace(/max: 4/, "maximum: 4")
    .replace("kind: sandbox", "kind: cloud");
  writeFileSync(stack.path("bad.yaml"), bad);
  const { code, stderr } = await stack.run("cb-queue", ["--config", stack.path("bad.yaml")]);
  assert.is(code, 78, stderr);
  const lineOf = (text: string) => bad.split("\n").findIndex((line) => line.includes(text)) + 1;
  assert.match(stderr, `bad.yaml:${lineOf("reserve: two")}: pools.0.reserve: `);
  assert.match(stderr, `bad.yaml:${lineOf("maximum: 4")}: pools.0.maximum: is not a setting`);
  assert.match(stderr, "pools.0.max: is missing");
  assert.match(stderr, `bad.yaml:${lineOf("kind: cloud")}: pools.0.provider.kind: `);
});

test("a missing configuration, or a missing file in it, is named", async ({ stack }) => {
  const missing = await stack.run("cb-queue", ["--config", "/nowhere/queue.yaml"]);
  assert.is(missing.code, 78);
  assert.match(missing.stderr, "cannot read /nowhere/queue.yaml");
  const config = readFileSync(
    configWith(stack, () => undefined),
    "utf8",
  );
  writeFileSync(stack.path("key.yaml"), config.replace(/signingKey: .*/, "signingKey: /nowhere/key"));
  const key = await stack.run("cb-queue", ["--config", stack.path("key.yaml")]);
  assert.is(key.code, 78, key.stderr);
  assert.match(key.stderr, "/nowhere/key");
});

test("a second queue on the same NATS refuses to start", async ({ stack }) => {
  const { code, stderr } = await stack.run("cb-queue", ["--config", configWith(stack, () => undefined)]);
  assert.is(code, 78, stderr);
  assert.match(stderr, "another cb-queue is running on this NATS");
});

test("without NATS cb-queue logs that, waits, and stops at SIGTERM", async ({ stack }) => {
  const config = readFileSync(
    configWith(stack, () => undefined),
    "utf8",
  );
  writeFileSync(stack.path("away.yaml"), config.replace(/url: tls:\/\/127.0.0.1:\d+/, "url: tls://127.0.0.1:1"));
  const running = stack.start("cb-queue", ["--config", stack.path("away.yaml")]);
  await running.seen(/NATS cannot be reached yet/);
  running.kill("SIGTERM");
  const { code } = await running.finished;
  assert.is(code, 0);
});

test("the log is JSON and holds no secret", async ({ stack }) => {
  const log = readFileSync(stack.statePath("queue.log"), "utf8").trimEnd().split("\n");
  assert.ok(log.length > 2);
  for (const line of log) assert.is(typeof JSON.parse(line).msg, "string");
  const secrets = [/eyJ[\w-]{8,}\.[\w-]+\.[\w-]+/, /\bS[UAO][A-Z2-7]{56}\b/];
  for (const secret of secrets) assert.not.match(log.join("\n"), secret);
});

/** The connections for which the queue has logged that status, one entry for each log line. */
function connectionsWith(stack: Stack, status: "lost" | "back"): string[] {
  const lines = readFileSync(stack.statePath("queue.log"), "utf8").trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { msg: string; status?: string; connection?: string });
  return entries.flatMap(({ msg, status: logged, connection }) =>
    msg === "NATS" && logged === status && connection ? [connection] : [],
  );
}

/** The console of the only leased builder, from cb-admin. */
async function consoleOfLeased(stack: Stack): Promise<string> {
  const { stdout, stderr } = await stack.run("cb-admin", ["builders", "--json", "--console", "50"]);
  assert.match(stdout, "{", stderr);
  const { pools } = JSON.parse(stdout) as BuildersReply;
  const leased = pools.flatMap(({ builders }) => builders).filter(({ state }) => state === "leased");
  assert.is(leased.length, 1);
  return leased.flatMap(({ console }) => console).join("\n");
}

test("after a restart of NATS the queue and a running build reconnect, and both log it", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("nats.sif"), endless(stack, "nats")]);
  await running.seen(/it has begun/);
  assert.not.match(await consoleOfLeased(stack), /NATS (lost|back)/);
  await stack.natsEnds("SIGKILL");
  await stack.up();
  const connections = ["readers", "records", "requests"];
  await until("the queue has reconnected", () => connectionsWith(stack, "back").length === connections.length);
  assert.equal(connectionsWith(stack, "back").sort(), connections);
  assert.equal(connectionsWith(stack, "lost").sort(), connections);
  const printed = await until("the agent has reconnected", async () => {
    const lines = await consoleOfLeased(stack);
    return lines.includes("NATS back") && lines;
  });
  assert.match(printed, /NATS lost: \S[\s\S]*NATS back: \S/);
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

test("over a restart of NATS a build's lines arrive once and in order; a client started in between fails within 5 s", async ({
  stack,
}) => {
  const running = stack.start("container-builder", [stack.path("lines.sif"), counting(stack, "lines", 25)]);
  await running.seen(/line 5\n/);
  await stack.natsEnds("SIGKILL");
  const startedMs = performance.now();
  const late = await stack.run("container-builder", [stack.path("late.sif"), HELLO]);
  const tookMs = performance.now() - startedMs;
  assert.is(late.code, 69, late.stderr);
  assert.match(late.stderr, /cannot reach NATS at tls:\/\/127\.0\.0\.1:\d+/);
  assert.match(late.stderr, `the address comes from ${stack.statePath("client")}`);
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  await running.seen(/NATS does not answer; waiting/);
  await stack.up();
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.equal(countedIn(stdout), counted(25));
});

test("SIGTERM stops the queue cleanly, and a running build continues under the next queue", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("over.sif"), endless(stack, "over")]);
  await running.seen(/it has begun/);
  await stack.queueEnds("SIGTERM");
  assert.match(readFileSync(stack.statePath("queue.log"), "utf8"), "cb-queue has stopped");
  await stack.up();
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

test.run();
