/**
 * A benchmark, not a test: prints the memory of a queue and of nats-server while builds run, print, store and fetch images. Queue,
 * pool, consumer proxy, NATS, transfers are the real ones; the cloud is simulated, and the agents and clients are in another process
 * (running-builds-load.ts). `npx tsx --expose-gc test/bench/by-hand/running-builds.ts [BUILDS [IMAGE_MIB [PROFILE_FOLDER]]]`
 */
import { fork } from "node:child_process";
import { on } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../support/free-ports.ts";
import { startTestNats } from "../../support/nats/nats.ts";
import { startQueue } from "../bench-queue.ts";
import type { FromLoad, ToLoad } from "./running-builds-load.ts";

const MIB = 2 ** 20;
const [builds = 60, imageMib = 4] = process.argv.slice(2, 4).map(Number);
const profiles = process.argv[4];

/** nats-server with its profiler on `port`, which only the command line can switch on for an address of this machine. */
function profiled(port: number): string {
  const program = join(tmpdir(), `nats-server-profiled-${process.pid}`);
  const real = process.env.NATS_SERVER ?? "nats-server";
  process.on("exit", () => rmSync(program, { force: true }));
  writeFileSync(program, `#!/bin/sh\nexec ${real} "$@" --profile ${port}\n`, { mode: 0o755 });
  return program;
}

const SAMPLE_MS = 50;

const memoryOf = (pid: number): Record<string, number> =>
  Object.fromEntries(
    [...readFileSync(`/proc/${pid}/status`, "utf8").matchAll(/^(VmHWM|VmRSS|RssAnon):\s+(\d+) kB$/gm)].map(
      ([, name = "", kib]) => [name, Math.round(Number(kib) / 1024)],
    ),
  );

const inMib = (memory: NodeJS.MemoryUsage): string =>
  Object.entries(memory)
    .map(([name, bytes]) => `${name} ${Math.round(bytes / MIB)}`)
    .join(", ");

class Reporter {
  readonly #natsPid: number;
  readonly #profilePort: number;

  constructor(natsPid: number, profilePort: number) {
    this.#natsPid = natsPid;
    this.#profilePort = profilePort;
    setInterval(() => {
      const now = process.memoryUsage();
      if (now.rss > this.peak.rss) this.peak = now;
    }, SAMPLE_MS);
  }

  /** The highest memory of the queue since the last report, of samples at intervals. */
  peak = process.memoryUsage();
  /** One line for each program, and the heap profile of nats-server into a file. */
  async report(phase: string): Promise<void> {
    const { peak } = this;
    this.peak = process.memoryUsage();
    globalThis.gc?.();
    console.log(phase.padEnd(10), "queue, highest      ", inMib(peak));
    console.log(phase.padEnd(10), "queue, after a GC   ", inMib(process.memoryUsage()));
    console.log(phase.padEnd(10), "nats-server         ", JSON.stringify(memoryOf(this.#natsPid)));
    if (profiles === undefined) return;
    const profile = await fetch(`http://127.0.0.1:${this.#profilePort}/debug/pprof/heap?debug=1`);
    writeFileSync(join(profiles, `nats-${phase}.txt`), await profile.text());
  }
}

const [port = 0] = await freePorts(1);
const nats = await startTestNats({ server: { natsServerPath: profiled(port), pingIntervalMs: 60_000 } });
const pidFile = readFileSync(join(nats.installation.folder, "..", "data", "nats-server.pid"), "utf8");
const reporter = new Reporter(Number(pidFile), port);
const load = fork(new URL("running-builds-load.ts", import.meta.url), [nats.installation.folder, nats.url], {
  execArgv: process.execArgv.filter((argument) => argument !== "--expose-gc"),
});
const tell = (message: ToLoad) => load.send(message);
const onCreate = (builder: string) => tell({ kind: "machine", builder });
const connections = { nc: await nats.core(), requests: await nats.core(), readers: await nats.core() };
await startQueue({ ...connections, issuer: nats.issuer, builds, onCreate });
await reporter.report("idle");
tell({ kind: "start", builds, imageBytes: imageMib * MIB });
for await (const [message] of on(load, "message")) {
  const { phase } = message as FromLoad;
  await reporter.report(phase);
  if (phase === "ended") break;
  tell({ kind: "next" });
}
process.exit(0);
