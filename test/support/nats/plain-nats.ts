/**
 * A real nats-server with JetStream for the tests of readers, publishers and transfers. It has two accounts as in production (CORE
 * has JetStream, GUEST reaches a few of its subjects through service imports), but with passwords, so that no keys are needed. It
 * can be killed and started again on the same port and store.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import { GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";
import { until } from "../until.ts";

/** Chunks are below 1 MiB; the raised limit shows that no code depends on the default. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** A few of twelve thousand ports are in use, so twenty failures in a row are no coincidence. */
const ATTEMPTS_MAX = 20;

export interface PlainNats {
  readonly port: number;
  /** The folder of JetStream's streams in CORE. */
  readonly streamsFolder: string;
  /** A connection in CORE (all rights) or in GUEST (the rights of one build, see `config`). It reconnects for ever. */
  connect(account: "core" | "guest", options?: ConnectionOptions): Promise<NatsConnection>;
  /** Kills the server (SIGKILL); data that it has not written is lost. */
  kill(): Promise<void>;
  /** Starts it again on the same port and store after `kill`. */
  start(): Promise<void>;
  /** Freezes the server (SIGSTOP). Resolves when its process is stopped. */
  freeze(): Promise<void>;
  /** Continues the server (SIGCONT). */
  thaw(): void;
  /** Closes all connections of `connect`, kills the server and removes its store. */
  stop(): Promise<void>;
}

/** The guest may access log, state and bucket of `build`. */
export async function startPlainNats(build = "b1"): Promise<PlainNats> {
  const dir = await mkdtemp(join(tmpdir(), "cb-plain-nats-"));
  const connections: NatsConnection[] = [];
  const removeStore = (): void => rmSync(dir, { recursive: true, force: true });
  process.once("exit", removeStore);
  const first = await startOnFreePort(dir, build);
  const { port, configPath } = first;
  let { server } = first;

  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  };
  return {
    port,
    streamsFolder: join(dir, "store", "jetstream", "CORE", "streams"),
    kill,
    async connect(account, options = {}) {
      const nc = await connect({
        servers: `127.0.0.1:${port}`,
        user: account,
        pass: account,
        inboxPrefix: `_INBOX.${account}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        // If the server dies during the handshake, only this timeout shows it (default 20 s).
        timeout: 2_000,
        ...options,
      });
      connections.push(nc);
      return nc;
    },
    async start() {
      server = await run(configPath);
    },
    async freeze() {
      server.kill("SIGSTOP");
      const status = `/proc/${server.pid}/status`;
      await until("the server is stopped", async () => /^State:\s*T/m.test(await readFile(status, "utf8")));
    },
    thaw() {
      server.kill("SIGCONT");
    },
    async stop() {
      await Promise.all(connections.map((nc) => nc.close()));
      await kill();
      process.off("exit", removeStore);
      removeStore();
    },
  };
}

/**
 * The server binds a random port itself, so no other process can take it first. The kernel is not asked for a free one, because that
 * would be in the ephemeral range (32768–60999): while the server is dead, an outgoing connection could get its port, even the one
 * that tries to reach the server, which would then connect to itself.
 */
async function startOnFreePort(dir: string, build: string) {
  const configPath = join(dir, "nats.conf");
  for (let tries = 1; ; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    await writeFile(configPath, config(port, join(dir, "store"), build));
    try {
      return { port, configPath, server: await run(configPath) };
    } catch (error) {
      if (tries === ATTEMPTS_MAX || !String(error).includes("address already in use")) throw error;
    }
  }
}

async function run(configPath: string): Promise<ChildProcess> {
  const server = spawn(process.env.NATS_SERVER ?? "nats-server", ["-c", configPath], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const end = (): void => {
    server.kill("SIGKILL");
  };
  process.once("exit", end);
  server.once("exit", () => process.off("exit", end));
  if (server.stderr === null) throw new Error("nats-server has no stderr");
  const lines = createInterface({ input: server.stderr });
  const printed: string[] = [];
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // At "close" all of its output has been read, at "exit" not yet.
    server.once("close", () => reject(new Error(`nats-server ended:\n${printed.join("\n")}`)));
    lines.on("line", (line) => {
      if (printed.length < 100) printed.push(line);
      if (line.includes("Server is ready")) resolve();
      if (process.env.NATS_LOG) console.error(line);
    });
  });
  return server;
}

function config(port: number, store: string, build: string): string {
  const services = ["build.*.log", "build.*.state", "$O.*.C.*", "$O.*.M.*"];
  const api = ["CONSUMER.CREATE.>", "CONSUMER.DELETE.>", "STREAM.MSG.GET.>"];
  const streamed = "CONSUMER.MSG.NEXT.>";
  const exported = [...services, ...api.map((name) => `$JS.API.${name}`)];
  const publish = [
    `build.${build}.log`,
    `$O.build-${build}.C.*`,
    `$O.build-${build}.M.*`,
    ...[`build-${build}`, `OBJ_build-${build}`].flatMap((stream) => [
      `${GUEST_API_PREFIX}.CONSUMER.CREATE.${stream}.*.>`,
      `${GUEST_API_PREFIX}.CONSUMER.DELETE.${stream}.*`,
      `${GUEST_API_PREFIX}.CONSUMER.MSG.NEXT.${stream}.*`,
      `${GUEST_API_PREFIX}.STREAM.MSG.GET.${stream}`,
    ]),
  ];
  return `
listen: "127.0.0.1:${port}"
max_payload: ${MAX_PAYLOAD_BYTES}
jetstream { store_dir: ${JSON.stringify(store)}, max_file_store: 8G, max_memory_store: 256M }
accounts {
  CORE {
    jetstream: enabled
    users: [{ user: core, password: core }]
    exports: [
      ${exported.map((subject) => `{ service: ${JSON.stringify(subject)} }`).join("\n      ")}
      { service: "$JS.API.${streamed}", response_type: stream }
    ]
  }
  GUEST {
    users: [{ user: guest, password: guest, permissions: {
      publish: { allow: ${JSON.stringify(publish)} }
      subscribe: { allow: ["_INBOX.guest.>"] }
    } }]
    imports: [
      ${services.map((subject) => `{ service: { account: CORE, subject: ${JSON.stringify(subject)} } }`).join("\n      ")}
      ${[...api, streamed]
        .map((name) => `{ service: { account: CORE, subject: "$JS.API.${name}" }, to: "${GUEST_API_PREFIX}.${name}" }`)
        .join("\n      ")}
    ]
  }
}
`;
}
