/** Reservations: the time to a lease when a builder is ready, and a thousand requests at once. */
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { NatsConnection } from "nats";
import { createKey } from "../../lib/nats/credentials/nkey.ts";
import { call } from "../../lib/nats/rpc/client.ts";
import { reserve } from "../../lib/protocol/requests.ts";
import { startTestNats, type TestNats } from "../support/nats/nats.ts";
import { LabAgent } from "../support/queue/lab-agent.ts";
import type { Benchmark } from "./benchmark.ts";
import { median, quantile } from "./measure.ts";
import type { World } from "./world.ts";

const USERS = 12;
const REQUESTS = 1000;
const REPLY_TIMEOUT_MS = 60_000;

interface Served {
  readonly nats: TestNats;
  readonly queue: ChildProcess;
}

/** A queue in a process of its own, on a NATS of its own. Each new builder's id goes to `onCreate`. */
async function serve(
  world: World,
  reserve: number,
  onCreate: (nats: TestNats, builder: string) => void,
): Promise<Served> {
  const nats = await startTestNats({ server: { pingIntervalMs: 60_000 } });
  world.onClose(() => nats.stop());
  const builds = String(REQUESTS);
  const child = fork(new URL("queue-child.ts", import.meta.url), [
    nats.installation.folder,
    nats.url,
    builds,
    String(reserve),
  ]);
  world.onClose(() => child.kill());
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the queue ended with ${code}`)));
    child.on("message", (message: { builder?: string; started?: true }) => {
      if (message.builder !== undefined) onCreate(nats, message.builder);
      if (message.started) resolve();
    });
  });
  return { nats, queue: child };
}

function request(nc: NatsConnection, principal: string): Promise<unknown> {
  const body = {
    v: 1,
    request: randomUUID(),
    publicKey: createKey("user").publicKey,
    recipe: { backend: "singularity", text: "Bootstrap: scratch\n" },
    name: "image.sif",
  } as const;
  return call(reserve, { nc, principal, request: body, timeoutMs: REPLY_TIMEOUT_MS });
}

/** Tells of the next agent that gets a lease, and keeps builders ready: each one serves one build. */
class ReadyBuilders {
  readonly #events = new EventTarget();
  #closed = false;
  ready = 0;

  /** From now on requests may fail, because NATS is stopped. */
  close(): void {
    this.#closed = true;
  }

  /** Serves one build. Rejects when NATS or the queue fails. */
  async start(nats: TestNats, builder: string): Promise<void> {
    await this.#serve(nats, builder).catch((error: unknown) => {
      if (!this.#closed) throw error;
    });
  }

  async #serve(nats: TestNats, builder: string): Promise<void> {
    const { connection } = await nats.builder(builder);
    const agent = new LabAgent(builder, connection);
    this.ready += 1;
    this.#events.dispatchEvent(new Event("ready"));
    while (agent.lease === undefined) await agent.ask({ state: "ready" });
    this.ready -= 1;
    this.#events.dispatchEvent(new Event("leased"));
    await agent.end({ kind: "failed", exitCode: 1, reason: "the benchmark has measured it" });
    await connection.close();
  }

  async next(event: "leased" | "ready"): Promise<void> {
    await once(this.#events, event);
  }
}

/** A request without a queue: the round trip that a reservation cannot be faster than. */
async function bareRequests(nats: TestNats): Promise<() => Promise<number>> {
  const [asking, replying] = await Promise.all([nats.core(), nats.core()]);
  replying.subscribe("bench.echo", { callback: (_, message) => void message.respond(message.data) });
  await replying.flush();
  return async () => {
    const startMs = performance.now();
    await asking.request("bench.echo", "x", { timeout: REPLY_TIMEOUT_MS });
    return performance.now() - startMs;
  };
}

export const lease: Benchmark = {
  rows: [
    {
      name: "lease",
      what: "a reservation with a ready builder: request to lease, half take less",
      against: "one bare request and its reply",
      unit: "ms",
      goal: "≤ 4",
    },
  ],
  async start(world) {
    const builders = new ReadyBuilders();
    const { nats } = await serve(world, 4, (server, builder) => void builders.start(server, builder));
    world.onClose(() => builders.close());
    const { connection } = await nats.user("ada");
    const bare = await bareRequests(nats);
    const count = world.quick ? 10 : 40;
    return {
      async ours() {
        const tookMs: number[] = [];
        for (let n = 0; n < count; n += 1) {
          while (builders.ready < 2) await builders.next("ready");
          const leased = builders.next("leased");
          const startMs = performance.now();
          await Promise.all([request(connection, "ada"), leased]);
          tookMs.push(performance.now() - startMs);
        }
        return [median(tookMs)];
      },
      async theirs() {
        const tookMs: number[] = [];
        for (let n = 0; n < count; n += 1) tookMs.push(await bare());
        return [median(tookMs)];
      },
    };
  },
};

/** VmHWM of a process in MiB. */
const peakMib = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/** Each round has a new queue, since the number of the builds that a queue knows is part of its work. */
export const burst: Benchmark = {
  rows: [
    { name: "burst", what: "1,000 reservations at once by 12 users (quick: 100)", unit: "/s", goal: "≥ 2,000" },
    { name: "burst-p99", what: "the same: 99 of 100 take less", unit: "ms", goal: "≤ 600" },
    { name: "burst-memory", what: "the same: VmHWM of the queue", unit: "MiB", goal: "≤ 143 (150 MB)" },
  ],
  async start(world) {
    return {
      async ours() {
        const { nats, queue } = await serve(world, 0, () => undefined);
        const count = world.quick ? 100 : REQUESTS;
        const names = Array.from({ length: USERS }, (_, n) => `user-${n}`);
        const users = await Promise.all(names.map(async (name) => ({ name, nc: (await nats.user(name)).connection })));
        const startMs = performance.now();
        const tookMs = await Promise.all(
          Array.from({ length: count }, async (_, n) => {
            const { name, nc } = users[n % USERS] as (typeof users)[number];
            await request(nc, name);
            return performance.now() - startMs;
          }),
        );
        const perSecond = count / (Math.max(...tookMs) / 1000);
        const mib = peakMib(queue.pid);
        queue.kill();
        await nats.stop();
        return [perSecond, quantile(tookMs, 0.99), mib];
      },
    };
  },
};
