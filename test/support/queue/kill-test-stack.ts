/** A stack for builds during which the queue is killed, with the checks that follow. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "nats";
import * as assert from "uvu/assert";
import type { FinalState } from "../../../lib/protocol/build-messages.ts";
import { buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { connectCore } from "../nats/core-connection.ts";
import { endless, HELLO } from "../recipe/recipes.ts";
import { type Finished, Stack } from "../stack.ts";
import { until } from "../until.ts";
import { KillableQueue, type KillPoint } from "./killable-queue.ts";
import { leasedTwice, leftOver } from "./left-over.ts";
import { configWith, type QueueSettings } from "./own-queue.ts";

/** Time between two checks; each sends a dozen requests to NATS. */
const CHECK_AGAIN_MS = 50;
/** Too large for the reservation, so the context is uploaded as an object. */
const OBJECT_BYTES = 400 * 1024;

export class KillTestStack {
  readonly stack: Stack;
  readonly core: NatsConnection;
  readonly queue: KillableQueue;

  private constructor(stack: Stack, core: NatsConnection) {
    this.stack = stack;
    this.core = core;
    this.queue = new KillableQueue(stack);
  }

  /** Replaces the stack's own queue by a child process of the test. */
  static async start(): Promise<KillTestStack> {
    const stack = await Stack.start();
    await stack.queueEnds("SIGTERM");
    const started = new KillTestStack(stack, await connectCore(stack));
    await started.start();
    return started;
  }

  async stop(): Promise<void> {
    await this.queue.stop();
    await this.core.close();
    await this.stack.stop();
  }

  /** Kills the queue at that point of a build and starts it again: the image must be complete, and nothing else left. */
  async checkBuild(
    point: KillPoint,
    { files = false, cleanWithinMs }: { files?: boolean; cleanWithinMs?: number } = {},
  ): Promise<void> {
    this.queue.killAt(point);
    const building = this.build(files);
    await this.#awaitKillAndRestart();
    const { code, stderr } = await building;
    assert.is(code, 0, stderr);
    this.#assertEachStepOnce(stderr, files);
    await this.#assertDigest(stderr);
    await this.assertClean(cleanWithinMs);
  }

  /**
   * Starts the queue, with changed settings if the test needs them. Pools of two builders are enough; a larger pool would
   * have more creates in flight when the queue is killed, and each of those blocks its slot for two minutes.
   */
  start(change: (config: QueueSettings) => void = () => undefined): Promise<void> {
    const config = configWith(this.stack, (config) => {
      for (const pool of config.pools) pool.max = 2;
      change(config);
    });
    return this.queue.start(config);
  }

  /** Cancels a running build with Ctrl-C, and kills the queue at that point of the cancel. */
  async checkCancel(point: KillPoint): Promise<void> {
    const building = this.stack.start("container-builder", [
      this.stack.path("x.sif"),
      endless(this.stack, "cancelled"),
    ]);
    await building.seen(/it has begun/);
    this.queue.killAt(point);
    building.kill("SIGINT");
    await this.#awaitKillAndRestart();
    const { code, stderr } = await building.finished;
    assert.is(code, 130, stderr);
    assert.match(stderr, "Cancelling the build: Completed");
    await this.assertClean();
  }

  async #awaitKillAndRestart(): Promise<void> {
    const ended = await this.queue.ended();
    assert.is(ended.signal, "SIGKILL", `${ended.code}: ${ended.stderr}`);
    await this.start();
  }

  build(files = false): Promise<Finished> {
    rmSync(this.image, { force: true });
    return this.stack.run("container-builder", [this.image, files ? this.#withFiles() : HELLO]);
  }

  get image(): string {
    return this.stack.path("killed.sif");
  }

  /** The terminal shows each step once, however often the client repeated it. */
  #assertEachStepOnce(stderr: string, files: boolean): void {
    const context = files ? ["Transferring build context to builder: Completed"] : [];
    for (const step of ["Connected to remote builder", ...context]) assert.is(stderr.split(step).length, 2, stderr);
  }

  /** The image file has the digest of the final state. */
  async #assertDigest(stderr: string): Promise<void> {
    const build = /Build ID: (\S+)/.exec(stderr)?.[1] ?? "";
    const jsm = await this.core.jetstreamManager();
    const message = await jsm.streams.getMessage(buildStream(build), { last_by_subj: subjects.state(build) });
    const final = message.json<FinalState>();
    const sha256 = createHash("sha256").update(readFileSync(this.image)).digest("base64url");
    assert.is(final.state === "succeeded" && final.digest.replace(/=+$/, ""), `SHA-256=${sha256}`);
  }

  /** Waits until the reserve is full and nothing of the builds is left (left-over.ts). */
  async assertClean(limitMs?: number): Promise<void> {
    let faults: readonly string[] = [];
    const check = async () => {
      faults = await leftOver(this.stack, this.core);
      if (faults.length > 0) await sleep(CHECK_AGAIN_MS);
      return faults.length === 0;
    };
    await until("nothing is left over", check, limitMs).catch(() => assert.equal(faults, []));
    assert.equal(await leasedTwice(this.core), []);
  }

  #withFiles(): string {
    const recipe = this.stack.path("files.def");
    if (!existsSync(recipe)) {
      writeFileSync(this.stack.path("files.bin"), Buffer.alloc(OBJECT_BYTES, "x"));
      writeFileSync(recipe, `${readFileSync(HELLO, "utf8")}\n%files\n    ${this.stack.path("files.bin")} /files.bin\n`);
    }
    return recipe;
  }
}
