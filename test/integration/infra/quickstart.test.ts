/** The first command of the README, with an empty state folder, with a running stack, and after `down`. */
// alone: it rebuilds dist/, from which the programs of other files start.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PROJECT, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("quickstart");

test.before((context) => {
  context.stack = Stack.unstarted();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

const shown = [
  /The local stack is up/,
  /\$ container-builder --force hello.sif examples\/hello.def/,
  /Connected to remote builder: cb-[0-9a-f]{8}/,
  /building as root, uid 0/,
  /Transferring hello.sif: Completed/,
  /\$ apptainer run hello.sif\n[\s\S]*Hello from a container!/,
  /Active builders[\s\S]*Reserve builders[\s\S]*ID: [0-9a-f-]{36}/,
  /export PATH=".*dist\/bin:\$PATH"/,
  /cb-local down/,
];

test("quickstart builds and runs the example, and prints the next steps", async ({ stack }) => {
  const { code, stdout, stderr } = await stack.npm("quickstart");
  assert.is(code, 0, stderr);
  // A user sees both streams of the process.
  for (const pattern of shown) assert.match(stderr + stdout, pattern);
  assert.ok(existsSync(join(PROJECT, "hello.sif")));
});

test("quickstart on a running stack starts no part again", async ({ stack }) => {
  const { code, stderr } = await stack.npm("quickstart");
  assert.is(code, 0, stderr);
  assert.not.match(stderr, /Starting|Making the builder's root file system/);
});

test("cb-local status shows the running parts before and after down", async ({ stack }) => {
  assert.match(
    (await stack.run("cb-local", ["status"])).stdout,
    /nats-server: up, pid \d+, tls:[\s\S]*cb-queue: +up.*\nbuilders: +sandbox\n/,
  );
  const up = JSON.parse((await stack.run("cb-local", ["status", "--json"])).stdout);
  assert.is(up.v, 1);
  assert.match(up.nats.url, /^tls:/);
  assert.ok(up.nats.pid > 0 && up.queue.pid > 0);
  assert.is(up.queue.builders, "sandbox");
  for (const file of [up.queue.log, up.operator.ca, up.operator.creds]) assert.ok(existsSync(file), file);
  const down = await stack.run("cb-local", ["down"]);
  assert.is(down.code, 0, down.stderr);
  assert.match((await stack.run("cb-local", ["status"])).stdout, /nats-server: down\ncb-queue: +down/);
  const { nats, queue, operator } = JSON.parse((await stack.run("cb-local", ["status", "--json"])).stdout);
  assert.equal([nats, Object.keys(queue), operator], [{}, ["log"], undefined]);
  const status = await stack.run("cb-status", []);
  assert.is(status.code, 78, "no queue is configured any more");
  assert.match(status.stderr, /cb-local up/);
});

test("the bundled cb-local starts the stack again, and keeps the programs", async ({ stack }) => {
  const up = await stack.run("cb-local", ["up"]);
  assert.is(up.code, 0, up.stderr);
  assert.is((await stack.run("cb-status", [])).code, 0);
});

test("cb-local refuses an unknown command", async ({ stack }) => {
  const { code, stderr } = await stack.run("cb-local", ["fly"]);
  assert.is(code, 64);
  assert.match(stderr, /unknown command 'fly'\n {2}see cb-local --help/);
});

test.run();
