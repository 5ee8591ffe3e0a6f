/**
 * A real nats-server with JetStream for the tests of the byte movers: two accounts as in production (CORE holds JetStream,
 * GUEST reaches a few subjects of it through service imports) but with plain passwords, so that no key is made.
 * It can be killed and started again on the same port and the same store.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";

/** What a guest's API calls begin with, as in production. */
export const GUEST_API_PREFIX = "JSC.API";

/** The chunks are below 1 MiB; a raised limit shows that nothing depends on the default. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

export interface PlainNats {
  readonly port: number;
  /** A connection in CORE (all rights) or in GUEST (the rights of one build, see `config`). It reconnects for ever. */
  connect(account: "core" | "guest", options?: ConnectionOptions): Promise<NatsConnection>;
  /** Ends the server at once (SIGKILL); what it has not written is lost. */
  kill(): Promise<void>;
  /** Starts it again on the same port and store after `kill`. */
  start(): Promise<void>;
  /** Freezes the server (SIGSTOP); resolves when it stands still. */
  freeze(): Promise<void>;
  /** Lets it go on (SIGCONT). */
  thaw(): void;
  /** Closes what `connect` made, ends the server and removes its store. */
  stop(): Promise<void>;
}

/** `build` is the build whose log, state and bucket the guest may touch. */
export async function startPlainNats(build = "b1"): Promise<PlainNats> {
  const dir = await mkdtemp(join(tmpdir(), "cb-plain-nats-"));
  const port = await freePort();
  const configPath = join(dir, "nats.conf");
  await writeFile(configPath, config(port, join(dir, "store"), build));
  const connections: NatsConnection[] = [];
  const removeStore = (): void => rmSync(dir, { recursive: true, force: true });
  process.once("exit", removeStore);
  let server = await run(configPath);

  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  };
  return {
    port,
    kill,
    async connect(account, options = {}) {
      const nc = await connect({
        servers: `127.0.0.1:${port}`,
        user: account,
        pass: account,
        inboxPrefix: `_INBOX.${account}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        // A server that dies in the middle of the handshake is noticed only by this (default 20 s).
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
      while (!/^State:\s*T/m.test(await readFile(`/proc/${server.pid}/status`, "utf8"))) await sleep(1);
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
    server.once("exit", () => reject(new Error(`nats-server ended:\n${printed.join("\n")}`)));
    lines.on("line", (line) => {
      if (printed.length < 100) printed.push(line);
      if (line.includes("Server is ready")) resolve();
      if (process.env.NATS_LOG) console.error(line);
    });
  });
  return server;
}

/**
 * A port below the kernel's ephemeral range (32768–60999): while the server is dead, no outgoing connection, ours or
 * anybody's, may be given its port, or it could not come back on it.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer().listen(port, "127.0.0.1");
    const free = await once(probe, "listening").then(
      () => true,
      () => false,
    );
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
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
