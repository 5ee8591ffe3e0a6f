/** A nats-server with JetStream and no authentication, for tests of what lies below the accounts. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";

/** Under load the server takes a second or two to come up. */
const START_LIMIT_MS = 20_000;

export class PlainNats {
  readonly #dir: string;
  #process: ChildProcess;
  #port: number;

  private constructor(dir: string, process: ChildProcess, port: number) {
    this.#dir = dir;
    this.#process = process;
    this.#port = port;
  }

  static async start(): Promise<PlainNats> {
    const dir = await mkdtemp(join(tmpdir(), "plain-nats-"));
    const server = launch(dir, -1);
    return new PlainNats(dir, server, await portOf(dir, server));
  }

  /** Gives up at once when the server is away: a test decides itself how to wait. */
  connect(): Promise<NatsConnection> {
    return connect({ servers: `127.0.0.1:${this.#port}`, timeout: 5_000 });
  }

  /** SIGKILL, and up again on the same port with the same files. */
  async restart(): Promise<void> {
    await end(this.#process);
    await rm(portsFile(this.#dir, this.#process), { force: true });
    this.#process = launch(this.#dir, this.#port);
    this.#port = await portOf(this.#dir, this.#process);
  }

  /** Nothing is left of it. */
  async stop(): Promise<void> {
    await end(this.#process);
    await rm(this.#dir, { recursive: true, force: true });
  }
}

function launch(dir: string, port: number): ChildProcess {
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", dir, "--ports_file_dir", dir];
  const server = spawn(process.env.NATS_SERVER ?? "nats-server", args, { stdio: "ignore" });
  const stop = (): void => void server.kill("SIGKILL");
  process.once("exit", stop);
  server.once("exit", () => process.removeListener("exit", stop));
  return server;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill("SIGKILL");
  await exited;
}

function portsFile(dir: string, { pid }: ChildProcess): string {
  return join(dir, `${process.env.NATS_SERVER?.split("/").at(-1) ?? "nats-server"}_${pid}.ports`);
}

/** The server writes the port that the kernel gave it into a file, which is the only word of it. */
async function portOf(dir: string, server: ChildProcess): Promise<number> {
  let failure: unknown;
  server.once("error", (error) => {
    failure = error;
  });
  for (let waitedMs = 0; waitedMs < START_LIMIT_MS; waitedMs += 20) {
    if (failure || server.exitCode !== null) break;
    const text = await readFile(portsFile(dir, server), "utf8").catch(() => "");
    const url = /"(nats:[^"]+)"/.exec(text)?.[1];
    if (url) return Number(new URL(url).port);
    await sleep(20);
  }
  await end(server);
  await rm(dir, { recursive: true, force: true });
  throw new Error(`nats-server did not start: ${String(failure ?? "no ports file")}`);
}
