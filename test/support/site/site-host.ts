/**
 * Runs the programs of a site on its very files. Each program gets a mount namespace of its own, in which /etc/container-builder is
 * the folder that the site has for its host, and /var/lib is a folder of the test. Network and processes are those of the test.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { PROJECT } from "../stack.ts";

export interface HostProcess {
  readonly pid: number;
  /** Resolves with the output as soon as it matches. Rejects when the process ends first. */
  seen(pattern: RegExp): Promise<string>;
  /** Everything that it has printed. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Sends the signal, and resolves when the process has ended. */
  end(name?: NodeJS.Signals): Promise<void>;
}

export interface HostFolders {
  /** In the place of /etc/container-builder. */
  readonly etc: string;
  /** In the place of /var/lib. Created when missing. */
  readonly varLib: string;
}

/** The command in the namespace of a host. The mounts end with it, and no parent process stands before it. */
function inHost({ etc, varLib }: HostFolders, command: readonly string[]): string[] {
  mkdirSync(join(varLib, "cb-nats"), { recursive: true });
  mkdirSync(join(varLib, "cb-queue"), { recursive: true });
  // A file system of its own on /etc hides the host's /etc/container-builder, if there is one.
  const script = `set -e
    mount --bind "$1" /var/lib
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/etc && mount --bind "$2" /mnt/etc
    mount -t tmpfs tmpfs /etc && mkdir /etc/container-builder && mount --bind /mnt/etc /etc/container-builder
    mkdir /etc/xdg && ln -s /etc/container-builder /etc/xdg/container-builder
    shift 2; exec "$@"`;
  return [
    "--map-root-user",
    "--mount",
    "setpriv",
    "--pdeathsig",
    "KILL",
    "sh",
    "-c",
    script,
    "sh",
    varLib,
    etc,
    ...command,
  ];
}

/** The release is Debian's: "trixie" has 2.10, the oldest version that a site may use, and "sid" the one of the server package. */
export async function startNats(host: HostFolders, release: "trixie" | "sid" = "trixie"): Promise<HostProcess> {
  const program = await natsServerOf(release);
  const nats = start(host, [program, "-c", "/etc/container-builder/nats-server.conf"]);
  await nats.seen(/Server is ready/);
  return nats;
}

export const launchQueue = (host: HostFolders): HostProcess =>
  start(host, [...program("cb-queue"), "--config", "/etc/container-builder/queue.yaml"]);

/** Resolves when cb-queue serves requests. */
export async function startQueue(host: HostFolders): Promise<HostProcess> {
  const queue = launchQueue(host);
  await queue.seen(/cb-queue answers/);
  return queue;
}

/** All three connections of cb-queue are back, in its output. */
export const BACK = new RegExp(
  // Anchored, so that a long log is scanned once.
  `^${["records", "requests", "readers"].map((name) => `(?=[^]*"status":"back"[^}]*"connection":"${name}")`).join("")}`,
);

/** Runs a bundled program in the namespace. Rejects with its output when it fails. */
export async function runIn(
  host: HostFolders,
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const command = inHost(host, [...program(name), ...args]);
  return promisify(execFile)("unshare", command, { env: { ...environment(), ...env } });
}

const program = (name: string): string[] => [process.execPath, join(PROJECT, "dist", "bin", name)];

/** The cloud of the pool does not answer, which keeps no queue from starting. Port 9 is "discard". */
function environment(): Record<string, string | undefined> {
  const auth = { OS_AUTH_URL: "http://127.0.0.1:9/v3", OS_USERNAME: "u", OS_PASSWORD: "p", OS_PROJECT_NAME: "p" };
  return {
    PATH: process.env.PATH,
    HOME: "/nonexistent",
    ...auth,
    OS_USER_DOMAIN_NAME: "d",
    OS_PROJECT_DOMAIN_NAME: "d",
  };
}

function start(host: HostFolders, command: readonly string[]): HostProcess {
  const child = spawn("unshare", inHost(host, command), { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let text = "";
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const watcher of [...watchers]) watcher();
    });
  }
  return {
    pid: child.pid ?? 0,
    output: () => text,
    signal: (name) => void child.kill(name),
    end: async (name = "SIGTERM") => {
      if (!hasEnded(child)) child.kill(name);
      await ended;
    },
    seen: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!pattern.test(text)) return;
          watchers.delete(check);
          resolve(text);
        };
        watchers.add(check);
        check();
        void ended.then(() => reject(new Error(`it ended without ${pattern}:\n${text}`)));
      }),
  };
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** A cloud in place of sandboxes, which would need a root file system; and other settings of NATS. */
export function takeCloudPool(folder: string, nats: object): void {
  const path = join(folder, "site.yaml");
  const answers = parse(readFileSync(path, "utf8"));
  const provider = { kind: "openstack", flavor: "f", image: "i", networks: ["n"] };
  const pools = [{ name: "cloud", arch: "x86_64", reserve: 0, max: 1, provider }];
  writeFileSync(path, stringify({ ...answers, nats: { ...answers.nats, ...nats }, pools }));
}
