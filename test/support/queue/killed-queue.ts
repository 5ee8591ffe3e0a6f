/** A build under a queue that is killed on the way, and what has to be true afterwards. */
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
import { leasedTwice, leftOver } from "./left-over.ts";
import { type KillPoint, MortalQueue } from "./mortal-queue.ts";
import { configWith, type QueueYaml } from "./own-queue.ts";

/** Each look is a dozen questions to NATS. */
const LOOK_AGAIN_MS = 50;
/** Its archive does not fit into the reservation. */
const OBJECT_BYTES = 400 * 1024;

export class KilledQueue {
  readonly stack: Stack;
  readonly core: NatsConnection;
  readonly queue: MortalQueue;

  private constructor(stack: Stack, core: NatsConnection) {
    this.stack = stack;
    this.core = core;
    this.queue = new MortalQueue(stack);
  }

  /** A stack whose queue is a child of the test. */
  static async start(): Promise<KilledQueue> {
    const stack = await Stack.start();
    await stack.queueEnds("SIGTERM");
    const started = new KilledQueue(stack, await connectCore(stack));
    await started.start();
    return started;
  }

  async stop(): Promise<void> {
    await this.queue.stop();
    await this.core.close();
    await this.stack.stop();
  }

  /** Builds while the queue dies at that point and is started again: the image is whole, and nothing else is left. */
  async survives(
    point: KillPoint,
    { files = false, calmMs }: { files?: boolean; calmMs?: number } = {},
  ): Promise<void> {
    this.queue.dieAt(point);
    const building = this.build(files);
    await this.diesAndComesBack();
    const { code, stderr } = await building;
    assert.is(code, 0, stderr);
    this.assertWhole(stderr);
    await this.assertDigest(stderr);
    await this.calm(calmMs);
  }

  /**
   * Starts the queue, with other settings if need be. Two places are enough, and leave a dying queue less to do beside the
   * deed at hand: a create that is cut off in the middle keeps its place for two minutes.
   */
  start(change: (config: QueueYaml) => void = () => undefined): Promise<void> {
    const config = configWith(this.stack, (config) => {
      for (const pool of config.pools) pool.max = 2;
      change(config);
    });
    return this.queue.start(config);
  }

  /** Ctrl-C, and the queue dies at that point of the cancel. */
  async survivesCancel(point: KillPoint): Promise<void> {
    const building = this.stack.start("container-builder", [
      this.stack.path("x.sif"),
      endless(this.stack, "cancelled"),
    ]);
    await building.seen(/it has begun/);
    this.queue.dieAt(point);
    building.kill("SIGINT");
    await this.diesAndComesBack();
    const { code, stderr } = await building.finished;
    assert.is(code, 130, stderr);
    assert.match(stderr, "Cancelling the build: Completed");
    await this.calm();
  }

  async diesAndComesBack(): Promise<void> {
    const died = await this.queue.ended();
    assert.is(died.signal, "SIGKILL", `${died.code}: ${died.stderr}`);
    await this.start();
  }

  build(files = false): Promise<Finished> {
    rmSync(this.image, { force: true });
    return this.stack.run("container-builder", [this.image, files ? this.#withFiles() : HELLO]);
  }

  get image(): string {
    return this.stack.path("killed.sif");
  }

  /** The person saw each step once, however often it was begun. */
  assertWhole(stderr: string): void {
    for (const step of ["Connected to remote builder", "Transferring build context to builder: Completed"]) {
      assert.is(stderr.split(step).length, 2, stderr);
    }
  }

  /** What stands in its place is what the queue remembers. */
  async assertDigest(stderr: string): Promise<void> {
    const build = /Build ID: (\S+)/.exec(stderr)?.[1] ?? "";
    const jsm = await this.core.jetstreamManager();
    const message = await jsm.streams.getMessage(buildStream(build), { last_by_subj: subjects.state(build) });
    const final = message.json<FinalState>();
    const sha256 = createHash("sha256").update(readFileSync(this.image)).digest("base64url");
    assert.is(final.state === "succeeded" && final.digest.replace(/=+$/, ""), `SHA-256=${sha256}`);
  }

  /** The reserve is full, nothing is built, and nothing is there that should not be. */
  async calm(limitMs?: number): Promise<void> {
    let faults: readonly string[] = [];
    const look = async () => {
      faults = await leftOver(this.stack, this.core);
      if (faults.length > 0) await sleep(LOOK_AGAIN_MS);
      return faults.length === 0;
    };
    await until("the stack is calm", look, limitMs).catch(() => assert.equal(faults, []));
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
