/**
 * Runs what a site's hosts would run. The testbed's machines are those of a fake hypervisor, in which no program runs. So each host
 * of NATS is a nats-server here, on the host's own address, and each host of the queue a cb-queue, with the configuration in its
 * server's user data, for as long as nova reports that server as ACTIVE. Their files end with the server.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type HostFolders, type HostProcess, launchQueue, startNats } from "../site/site-host.ts";
import type { OpenStackApi } from "./openstack-api.ts";

/** A poll costs nova a tenth of a second of a core. */
const POLL_MS = 500;

export class SiteMachines {
  readonly #admin: OpenStackApi;
  readonly #demo: OpenStackApi;
  readonly #folder: string;
  /** By the id of the server. */
  readonly #running = new Map<string, HostProcess>();
  readonly #ended = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  /** `nats` and `queue`: the names of the servers. `address`: of NATS; it is added to the loopback of the testbed's network. */
  static start(
    clients: { readonly admin: OpenStackApi; readonly demo: OpenStackApi },
    options: { readonly folder: string; readonly nats: string; readonly queue: string; readonly address: string },
  ): SiteMachines {
    execFileSync("ip", ["address", "replace", `${options.address}/32`, "dev", "lo"]);
    const machines = new SiteMachines(clients, options.folder);
    machines.#loop = machines.#follow(options);
    return machines;
  }

  private constructor({ admin, demo }: { admin: OpenStackApi; demo: OpenStackApi }, folder: string) {
    this.#admin = admin;
    this.#demo = demo;
    this.#folder = folder;
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#loop;
    for (const one of this.#running.values()) await one.end("SIGKILL");
  }

  async #follow({ nats, queue }: { readonly nats: string; readonly queue: string }): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const servers = await this.#demo.servers();
      const active = servers.filter(({ name, status }) => (name === nats || name === queue) && status === "ACTIVE");
      for (const [id, one] of this.#running) {
        if (active.some((server) => server.id === id)) continue;
        await one.end("SIGKILL");
        this.#running.delete(id);
      }
      for (const { id, name } of active) {
        if (!this.#running.has(id))
          this.#running.set(id, await this.#boot(id, name === nats ? startNats : launchQueue));
      }
      await delay(POLL_MS);
    }
  }

  async #boot(id: string, start: (host: HostFolders) => HostProcess | Promise<HostProcess>): Promise<HostProcess> {
    const disk = join(this.#folder, id);
    mkdirSync(disk, { recursive: true });
    const packed = join(disk, "user-data");
    writeFileSync(packed, Buffer.from(await this.#admin.userData(id), "base64"));
    execFileSync("tar", ["-C", disk, "-xzf", packed]);
    return await start({ etc: join(disk, "etc", "container-builder"), varLib: join(disk, "var") });
  }
}
