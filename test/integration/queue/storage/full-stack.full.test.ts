/**
 * Builds on a NATS with a full disk: while other streams have reserved the storage a new build is refused with the figures; when the
 * disk is full a running build and an upload wait, and both go on when it has space again and nats-server was restarted.
 */
// timeout: 900 s
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openInstallation } from "../../../../infra/nats/installation.ts";
import { startNatsServer } from "../../../../infra/nats/server.ts";
import { natsServerOf } from "../../../../infra/tools/setup/nats-server.ts";
import type { StatusReply } from "../../../../lib/protocol/status-messages.ts";
import { connectCore } from "../../../support/nats/core-connection.ts";
import { queueWith, stopped } from "../../../support/queue/own-queue.ts";
import { counted, countedIn, counting, HELLO } from "../../../support/recipe/recipes.ts";
import { Stack } from "../../../support/stack.ts";
import { until } from "../../../support/until.ts";

const MIB = 2 ** 20;
/** The records of a queue reserve 708 MiB, and cb-local leaves 256 MiB of the disk free. Only what is written takes memory. */
const DISK_MIB = 1200;
const LOG_MIB = 32;
/** Less than a log and than the upload, more than the states of a build. */
const LEFT_BYTES = 8 * MIB;
const UPLOAD_BYTES = 40 * MIB;
const LINES = 60;

/** Debian's releases, with nats-server 2.9.10, 2.10 and 2.15. */
const RELEASES = ["bookworm", "trixie", "sid"];

const test = suite("full stack");

/** A stack with the store of its NATS on a disk of its own, in memory. */
class SmallStore {
  readonly stack = Stack.unstarted();
  readonly #folder = this.stack.statePath("nats");

  constructor() {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m,mode=0700`, "tmpfs", this.#folder]);
  }

  /** Leaves this much free space. */
  async shrink(freeBytes: number): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.#folder);
    this.#resize((blocks - bfree) * bsize + freeBytes);
  }

  grow(): void {
    this.#resize(DISK_MIB * MIB);
  }

  #resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.#folder]);
  }

  /** Ends nats-server as a crash does, and starts it again on the same port. */
  async restartNats(): Promise<void> {
    const installation = await openInstallation(this.stack.statePath("installation"));
    assert.ok(installation);
    const port = Number(new URL(this.stack.clientSettings().url).port);
    await this.stack.natsEnds("SIGKILL");
    await startNatsServer({ installation, dataDir: this.#folder, port, detached: true });
  }

  async stop(): Promise<void> {
    await this.stack.run("cb-local", ["down"]);
    execFileSync("umount", [this.#folder]);
    await this.stack.stop();
  }
}

async function storageOf(stack: Stack): Promise<{ freeBytes: number } | undefined> {
  return (JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as StatusReply).storage;
}

const storageBetween = (stack: Stack, minBytes: number, maxBytes: number) =>
  until(`storage from ${minBytes} to ${maxBytes} bytes`, async () => {
    const { freeBytes } = (await storageOf(stack)) ?? { freeBytes: -1 };
    return freeBytes >= minBytes && freeBytes <= maxBytes;
  });

/** Nothing is written: other streams have reserved the storage. */
async function checkEarlyRefusal(stack: Stack): Promise<void> {
  const core = await connectCore(stack);
  const { streams } = await core.jetstreamManager();
  const freeBytes = (await storageOf(stack))?.freeBytes ?? 0;
  await streams.add({ name: "filler", subjects: ["filler"], max_bytes: freeBytes - LEFT_BYTES });
  await storageBetween(stack, 0, LEFT_BYTES);
  const { code, stderr } = await stack.run("container-builder", [stack.path("early.sif"), HELLO]);
  assert.is(code, 75, stderr);
  assert.match(stderr, /no storage for this build; storage: \d of 9\d\d MiB free, \d+ MiB needed/);
  await streams.delete("filler");
  await core.close();
  await storageBetween(stack, LEFT_BYTES + 1, Number.POSITIVE_INFINITY);
}

/** A build and an upload of 40 MiB run while the disk fills up; both end well when it has space again. */
async function checkRecovery(store: SmallStore): Promise<void> {
  const { stack } = store;
  const running = stack.start("container-builder", [stack.path("run.sif"), counting(stack, "run", LINES)]);
  await running.seen(/line 3\n/);
  await store.shrink(LEFT_BYTES);
  writeFileSync(stack.path("data"), randomBytes(UPLOAD_BYTES));
  writeFileSync(stack.path("up.def"), `Bootstrap: scratch\n%files\n    ${stack.path("data")} /data\n`);
  const uploading = stack.start("container-builder", [stack.path("up.sif"), stack.path("up.def")]);
  await uploading.seen(/NATS stores no messages \(is its disk full\?\); waiting|NATS does not answer; waiting/);
  store.grow();
  await store.restartNats();
  const built = await running.finished;
  const sent = await uploading.finished;
  assert.is(built.code, 0, built.stderr);
  assert.equal(countedIn(built.stdout), counted(LINES));
  assert.is(sent.code, 0, sent.stderr);
  const after = await stack.run("container-builder", [stack.path("after.sif"), HELLO]);
  assert.is(after.code, 0, after.stderr);
}

for (const release of RELEASES) {
  test(`with the nats-server of ${release}, builds are refused while there is no storage, and go on after a full disk`, async () => {
    process.env.NATS_SERVER = await natsServerOf(release, { onStep: console.log });
    const store = new SmallStore();
    try {
      await store.stack.up();
      await store.stack.queueEnds("SIGTERM");
      const queue = await queueWith(store.stack, ({ limits }) => {
        limits.logMiB = LOG_MIB;
      });
      try {
        await checkEarlyRefusal(store.stack);
        await checkRecovery(store);
      } finally {
        await stopped(queue);
      }
    } finally {
      await store.stop();
    }
  });
}

test.run();
