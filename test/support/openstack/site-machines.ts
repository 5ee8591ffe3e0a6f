/**
 * Runs what a site's hosts would run. The testbed's machines are those of a fake hypervisor, in which no program runs. So each host
 * of NATS is a nats-server here, on the host's own address, with the configuration in its server's user data, for as long as nova
 * reports that server as ACTIVE. Its store ends with the server.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type HostProcess, startNats } from "../site/site-host.ts";
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

  /** `names`: the servers of NATS hosts. `address`: of all of them; it is added to the loopback of the testbed's network. */
  static start(
    clients: { readonly admin: OpenStackApi; readonly demo: OpenStackApi },
    options: { readonly folder: string; readonly name: string; readonly address: string },
  ): SiteMachines {
    execFileSync("ip", ["address", "replace", `${options.address}/32`, "dev", "lo"]);
    const machines = new SiteMachines(clients, options.folder);
    machines.#loop = machines.#follow(options.name);
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
    for (const nats of this.#running.values()) await nats.end("SIGKILL");
  }

  async #follow(name: string): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const servers = await this.#demo.servers();
      const active = servers.filter((server) => server.name === name && server.status === "ACTIVE");
      for (const [id, nats] of this.#running) {
        if (active.some((server) => server.id === id)) continue;
        await nats.end("SIGKILL");
        this.#running.delete(id);
      }
      for (const { id } of active) if (!this.#running.has(id)) this.#running.set(id, await this.#boot(id));
      await delay(POLL_MS);
    }
  }

  async #boot(id: string): Promise<HostProcess> {
    const disk = join(this.#folder, id);
    mkdirSync(disk, { recursive: true });
    const packed = join(disk, "user-data");
    writeFileSync(packed, Buffer.from(await this.#admin.userData(id), "base64"));
    execFileSync("tar", ["-C", disk, "-xzf", packed]);
    return await startNats({ etc: join(disk, "etc", "container-builder"), varLib: join(disk, "var") });
  }
}
