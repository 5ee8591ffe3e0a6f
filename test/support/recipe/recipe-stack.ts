/** A local stack with three registries on one storage, and methods that build recipes and inspect their images. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { parse, stringify } from "yaml";
import type { Mirror } from "../../../lib/protocol/builder-messages.ts";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { destroyAllSandboxes } from "../../../lib/provider/sandbox/folder.ts";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../oci/busybox-layer.ts";
import { push, type RunningRegistry, startRegistry } from "../oci/docker-registry.ts";
import { testRootfs } from "../rootfs.ts";
import { type Finished, type Running, Stack } from "../stack.ts";

/** bcrypt hash of a password with cost 5, in the format of `htpasswd -B`. */
const HTPASSWD = "site:$2b$05$abcdefghijklmnopqrstuupdwjCkan1ZJuUj4h8YhSom.c5Jduu3e\n";
/** A busybox image, in all three registries. */
export const IMAGE = "site/busybox:1";

/**
 * Addresses of the registries for builders, all plain http. `basic` requires a login. The queue's configuration names
 * `open` and `basic`, but not `unnamed`.
 */
export interface Hosts {
  readonly open: string;
  readonly basic: string;
  readonly unnamed: string;
}

export interface RecipeStackOptions {
  /** Further addresses on this host, HOST_LOOPBACK:PORT, that builders may reach. */
  readonly served?: readonly string[];
  /** Starts mirrors of the registries; its result becomes a setting of the pools. */
  readonly mirrorsOf?: (stack: Stack, hosts: Hosts) => Promise<readonly Mirror[]>;
  /** Starts a registry of layers; its result, as builders reach it, becomes a setting of the pools. */
  readonly layersOf?: (stack: Stack) => Promise<string>;
}

export class RecipeStack {
  readonly stack: Stack;
  readonly hosts: Hosts;
  #queue: Running;
  readonly #clear: () => Promise<void>;

  private constructor(parts: { stack: Stack; hosts: Hosts; queue: Running; clear: () => Promise<void> }) {
    this.stack = parts.stack;
    this.hosts = parts.hosts;
    this.#queue = parts.queue;
    this.#clear = parts.clear;
  }

  static async start({
    served = [],
    mirrorsOf = async () => [],
    layersOf,
  }: RecipeStackOptions = {}): Promise<RecipeStack> {
    const folder = mkdtempSync(join(tmpdir(), "cb-recipes-"));
    const registries: RunningRegistry[] = [];
    let stack: Stack | undefined;
    const clear = async () => {
      await Promise.all(registries.map((one) => one.stop()));
      rmSync(folder, { recursive: true, force: true });
      await stack?.stop();
    };
    try {
      const hosts = await startRegistries(folder, registries);
      stack = await Stack.start();
      const mirrors = await mirrorsOf(stack, hosts);
      const layers = await layersOf?.(stack);
      return new RecipeStack({
        stack,
        hosts,
        queue: await queueWith(stack, hosts, { mirrors, served, layers }),
        clear,
      });
    } catch (error) {
      await clear();
      throw error;
    }
  }

  /** Address of a registry for this host. */
  hostOf(name: keyof Hosts): string {
    return this.hosts[name].replace(HOST_LOOPBACK, "127.0.0.1");
  }

  /** Restarts the queue with these registries. Its builders go on. */
  async setRegistries(registries: readonly object[]): Promise<void> {
    this.#queue.kill("SIGTERM");
    await this.#queue.finished;
    this.#queue = await startQueue(this.stack, registries);
  }

  get queuePid(): number {
    return this.#queue.pid ?? 0;
  }

  async stop(): Promise<void> {
    this.#queue.kill("SIGTERM");
    await this.#queue.finished;
    await this.#clear();
  }

  /** Builds `<name>.sif` from a recipe in the file `<name>`, which has no extension that shows its kind. */
  build(name: string, recipe: string, flags: readonly string[] = []): Promise<Finished> {
    return this.start(name, recipe, flags).finished;
  }

  start(name: string, recipe: string, flags: readonly string[] = []): Running {
    writeFileSync(this.stack.path(name), recipe);
    return this.stack.start("container-builder", [...flags, this.stack.path(`${name}.sif`), this.stack.path(name)]);
  }

  /** The output of the build. Fails the test when the build fails. */
  async built(name: string, recipe: string, flags: readonly string[] = []): Promise<string> {
    const { code, stdout, stderr } = await this.build(name, recipe, flags);
    assert.is(code, 0, stdout.slice(-3000) + stderr);
    return stdout;
  }

  /** Output of a shell script in a sandbox with `apptainer`; $I is the path of the image `<name>.sif`. */
  async inspect(name: string, script: string): Promise<string> {
    const command = ["bash", "-c", `apptainer() { command apptainer --silent "$@"; }; I=/image.sif; ${script}`];
    const binds = [{ from: this.stack.path(`${name}.sif`), to: "/image.sif" }];
    const { stdout, stderr } = await runInSandbox({ rootfs: await testRootfs(), command, binds, stdio: "pipe" });
    return stdout + stderr;
  }
}

async function startRegistries(folder: string, started: RunningRegistry[]): Promise<Hosts> {
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  const auth = { htpasswd: { realm: "test", path: join(folder, "htpasswd") } };
  const start = async (options: { auth?: unknown }) => {
    const registry = await startRegistry({ folder, ...options });
    started.push(registry);
    return registry.host;
  };
  const [open, basic, unnamed] = [await start({}), await start({ auth }), await start({})];
  const [repository = "", tag = ""] = IMAGE.split(":");
  await push(open, { repository, tags: [tag], layers: [await busyboxLayer()] });
  const inside = (host: string) => host.replace("127.0.0.1", HOST_LOOPBACK);
  return { open: inside(open), basic: inside(basic), unnamed: inside(unnamed) };
}

/** Restarts the stack's queue with the registries, and destroys the builders that have the old packet filter. */
async function queueWith(
  stack: Stack,
  { open, basic, unnamed }: Hosts,
  { mirrors, served, layers }: { mirrors: readonly Mirror[]; served: readonly string[]; layers: string | undefined },
): Promise<Running> {
  const config = parse(readFileSync(stack.statePath("queue.yaml"), "utf8"));
  const [pool] = config.pools;
  const { provider } = pool;
  pool.mirrors = mirrors;
  if (layers !== undefined) pool.layers = { host: layers, plainHttp: true };
  const further = [...served, ...mirrors.map(({ host }) => host), ...(layers === undefined ? [] : [layers])];
  provider.allowHostPorts.push(open, basic, unnamed, ...further);
  writeFileSync(stack.path("queue.yaml"), stringify(config));
  await stack.queueEnds("SIGTERM");
  await destroyAllSandboxes(provider.stateDir);
  return startQueue(
    stack,
    [open, basic].map((host) => ({ host, plainHttp: true })),
  );
}

async function startQueue(stack: Stack, registries: readonly object[]): Promise<Running> {
  const config = parse(readFileSync(stack.path("queue.yaml"), "utf8"));
  writeFileSync(stack.path("queue.yaml"), stringify({ ...config, registries }));
  const queue = stack.start("cb-queue", ["--config", stack.path("queue.yaml")]);
  await queue.seen(/cb-queue answers/);
  return queue;
}
