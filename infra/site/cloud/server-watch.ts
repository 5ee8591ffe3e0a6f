/** Waits, within bounds, until nova has done with a server what it was asked for. */
import { setTimeout as delay } from "node:timers/promises";
import { CbError } from "../../../lib/core/errors.ts";
import type { Compute } from "../../../lib/provider/openstack/api/compute.ts";
import { isSoftDeleted, type Server } from "../../../lib/provider/openstack/api/server.ts";

/** A server is ACTIVE after seconds; an image of a gigabyte that nova fetches and unpacks takes minutes. */
const RUNNING_MS = 900_000;
/** nova shuts a guest down for 60 s (shutdown_timeout), and switches it off after that. */
const STOPPED_MS = 180_000;
const DELETED_MS = 300_000;
/** nova takes seconds for each of these. */
const POLL_MS = 1_000;

export class ServerWatch {
  readonly #compute: Compute;
  readonly #signal: AbortSignal;

  constructor(compute: Compute, signal: AbortSignal) {
    this.#compute = compute;
    this.#signal = signal;
  }

  /** Throws CbError "infrastructure" with nova's fault when the server fails, and after 15 minutes. */
  async running(id: string, name: string): Promise<string> {
    return await this.#until(id, RUNNING_MS, (server) => {
      if (server === undefined) throw failure(name, "was deleted by another");
      if (server.status === "ERROR") throw failure(name, `failed: ${server.fault?.message || "nova gives no reason"}`);
      return server.status === "ACTIVE" ? "running" : undefined;
    });
  }

  /** A server that does not shut down in time is deleted all the same. */
  async stopped(id: string, name: string): Promise<string> {
    return await this.#until(id, STOPPED_MS, (server) =>
      server === undefined || server.status !== "ACTIVE" ? "stopped" : undefined,
    ).catch((error: unknown) => {
      if (this.#signal.aborted || !(error instanceof CbError)) throw error;
      return `${name} does not shut down`;
    });
  }

  /** Asks for the deletion. Resolves when nova has no such server any more. */
  async deleted(id: string): Promise<string> {
    await this.#compute.delete(id, this.#signal);
    return await this.#until(id, DELETED_MS, (server) =>
      server === undefined || isSoftDeleted(server) ? "deleted" : undefined,
    );
  }

  async #until(id: string, limitMs: number, resultOf: (server: Server | undefined) => string | undefined) {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const server = await this.#compute.server(id, this.#signal);
      const result = resultOf(server);
      if (result !== undefined) return result;
      if (performance.now() > endMs) {
        const fault = server?.fault === undefined ? "" : `: ${server.fault.message}`;
        throw failure(server?.name ?? id, `is ${server?.status} after ${limitMs / 60_000} minutes${fault}`);
      }
      await delay(POLL_MS, undefined, { signal: this.#signal });
    }
  }
}

function failure(name: string, text: string): CbError {
  return new CbError("infrastructure", `the server ${name} ${text}`, {
    hint: `see: openstack server show ${name}; then run the command again`,
  });
}
