/** Deletes the builders of a site. They live on when cb-queue stops, because a restarted queue adopts them. */
import { setTimeout as delay } from "node:timers/promises";
import { CbError } from "../../../lib/core/errors.ts";
import type { Compute } from "../../../lib/provider/openstack/api/compute.ts";
import { tagOf } from "../../../lib/provider/openstack/identity-tags.ts";
import { type OwnServer, ownServer } from "../../../lib/provider/openstack/own-server.ts";

const LIMIT_MS = 300_000;
const POLL_MS = 1_000;

export class BuilderRemoval {
  readonly #compute: Compute;
  readonly #site: string;
  readonly #signal: AbortSignal;

  constructor(compute: Compute, site: string, signal: AbortSignal) {
    this.#compute = compute;
    this.#site = site;
    this.#signal = signal;
  }

  /** Resolves when nova lists none. Throws CbError "infrastructure" when some are left after 5 minutes. */
  async run(): Promise<string> {
    const endMs = performance.now() + LIMIT_MS;
    const asked = new Set<string>();
    for (;;) {
      const left = await this.#list();
      if (left.length === 0) return `${asked.size} deleted`;
      if (performance.now() > endMs) {
        const names = left.map(({ machine }) => machine.host).join(", ");
        throw new CbError("infrastructure", `${left.length} builders are not deleted after 5 minutes: ${names}`);
      }
      for (const { id, softDeleted } of left.filter((server) => !asked.has(server.id))) {
        if (softDeleted) await this.#compute.forceDelete(id, this.#signal);
        else await this.#compute.delete(id, this.#signal);
        asked.add(id);
      }
      await delay(POLL_MS, undefined, { signal: this.#signal });
    }
  }

  async #list(): Promise<OwnServer[]> {
    const servers = await this.#compute.servers([tagOf("installation", this.#site)], this.#signal);
    return servers.flatMap((server) => ownServer(server, this.#site) ?? []);
  }
}
