/** A stack for builds that lose their builder: kills a part of a builder, and checks the builds afterwards. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import type { NatsConnection } from "nats";
import * as assert from "uvu/assert";
import { clientConfig } from "../../../lib/config/client-config.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import type { BuildState } from "../../../lib/protocol/build-messages.ts";
import { buildBucketStream, buildOfStream, buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { type Running, Stack } from "../stack.ts";
import { until } from "../until.ts";
import { BuilderLife } from "./builder-life.ts";

/** `sandbox`: the first process of the sandbox; the kernel ends every other process in it. */
type BuilderPart = "agent" | "sandbox" | "network";

export interface Hit {
  readonly part: BuilderPart;
  readonly signal: NodeJS.Signals;
  /** Default 1: the build's first builder. */
  readonly attempt?: number;
}

/** Printed by the recipe `SLOW` at its start and its end. */
const STARTED = "\nit has begun\n";
const DONE = "it is done\n";
/** Long enough that a test can kill its builder in the middle. */
export const SLOW = "    echo it has begun\n    sleep 6\n    echo it is done";

export class BuilderLossStack {
  readonly stack: Stack;
  readonly #core: NatsConnection;
  readonly #life: BuilderLife;

  private constructor(stack: Stack, core: NatsConnection, life: BuilderLife) {
    this.stack = stack;
    this.#core = core;
    this.#life = life;
  }

  static async start(): Promise<BuilderLossStack> {
    const stack = await Stack.start();
    const config = { env: {}, folders: [], natsFolder: "", localFolder: stack.statePath("client") };
    const creds = await readCreds(stack.statePath("installation", "creds", "queue.creds"), Date.now());
    const core = await connectNats({ address: clientConfig(config), credential: creds, name: "test" });
    return new BuilderLossStack(stack, core, await BuilderLife.watch(core));
  }

  async stop(): Promise<void> {
    await this.#life.close();
    await this.#core.close();
    await this.stack.stop();
  }

  /** Starts a build that writes its image into a folder of that name. */
  begin(name: string, path: string): Running {
    mkdirSync(this.stack.path(name), { recursive: true });
    return this.stack.start("container-builder", [this.stack.path(name, "image.sif"), path]);
  }

  /** Sends the signal to that part of the builder, after the build has started there. */
  async hit(running: Running, { part, signal, attempt = 1 }: Hit): Promise<{ builder: string; pid: number }> {
    await running.seen(new RegExp(`(${STARTED}[^]*){${attempt}}`));
    const builder = await this.builderOf(running, attempt);
    const pid = await this.pidOf(builder, part);
    process.kill(pid, signal);
    return { builder, pid };
  }

  async builderOf(running: Running, attempt: number): Promise<string> {
    const text = await running.seen(new RegExp(`(Connected to remote builder: [^]*){${attempt}}`));
    const start = [...text.matchAll(/Connected to remote builder: cb-(\w+)/g)][attempt - 1]?.[1] ?? "none";
    const builder = readdirSync(this.stack.statePath("sandboxes")).find((folder) => folder.startsWith(start));
    if (builder === undefined) throw new Error(`no sandbox of builder ${start}`);
    return builder;
  }

  async pidOf(builder: string, part: BuilderPart): Promise<number> {
    const supervisor = await readSupervisor(this.stack.statePath("sandboxes", builder));
    if (supervisor === undefined) throw new Error(`builder ${builder} has no process`);
    if (part === "sandbox") return supervisor.pid;
    const program = part === "agent" ? /^node\0.*agent/ : /^slirp4netns/;
    return until(`${part} of ${builder}`, async () =>
      (await processesOf(supervisor)).find((pid) => program.test(commandOf(pid))),
    );
  }

  /** The build succeeded on its second builder, the terminal named the loss, and the log holds only attempt 2 after its lease. */
  async checkSecondAttempt(name: string, running: Running, reason: RegExp): Promise<void> {
    const { code, stderr } = await running.finished;
    assert.is(code, 0, stderr);
    assert.match(stderr, reason);
    assert.match(stderr, /^Attempt 2: builder cb-\w+ was lost: /m);
    const hosts = [...stderr.matchAll(/Connected to remote builder: (cb-\w+)/g)].map(([, host]) => host);
    assert.is(new Set(hosts).size, 2, stderr);
    assert.equal(readdirSync(this.stack.path(name)), ["image.sif"]);
    const { attempts, log } = await this.#secondAttempt(/Build ID: (\S+)/.exec(stderr)?.[1] ?? "");
    assert.equal(attempts, [1, 2]);
    assert.is(log.split("INFO:    Starting build...").length, 2, log);
    assert.is(log.split(DONE).length, 2, log);
  }

  /** The attempts in the order of the stream, and the log after the last lease. */
  async #secondAttempt(build: string): Promise<{ attempts: number[]; log: string }> {
    const { streams } = await this.#core.jetstreamManager();
    const { state } = await streams.info(buildStream(build));
    const attempts: number[] = [];
    let log = "";
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage(buildStream(build), { seq });
      if (message.subject === subjects.log(build)) log += message.string();
      else if (message.json<BuildState>().state === "leased") {
        attempts.push(message.json<{ attempt: number }>().attempt);
        log = "";
      }
    }
    return { attempts, log };
  }

  /** Waits until every machine that had a build is gone and the reserve is full; then no bucket may be left. */
  async checkNothingIsLeft(): Promise<void> {
    const life = this.#life;
    // A build that has ended since may have caused one builder more than the reserve target.
    const transient = ["requested", "booting", "leased", "destroying"] as const;
    await life.until(() => life.count("ready") >= 2 && transient.every((state) => life.count(state) === 0));
    const buckets: string[] = [];
    for await (const name of (await this.#core.jetstreamManager()).streams.names()) {
      const build = buildOfStream(name);
      if (build !== undefined && name === buildBucketStream(build)) buckets.push(name);
    }
    assert.equal(buckets, []);
    // The folder of a machine may be deleted shortly after the listing leaves the machine out.
    const machines = () => readdirSync(this.stack.statePath("sandboxes"));
    await until("only ready builders have a folder", () => machines().length === life.count("ready")).catch(() =>
      assert.equal(machines(), [], `${life.count("ready")} are ready`),
    );
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
