/**
 * Lists the servers of one installation, once for all its pools: a caller that asks during a listing, or shortly after, gets that
 * listing with the time at which it was started. So the number of calls depends neither on builders nor on pools.
 */
import type { Compute } from "./api/compute.ts";
import { isSoftDeleted, isUnknown, type Server } from "./api/server.ts";
import { tagOf } from "./identity-tags.ts";
import { type OwnServer, ownServer } from "./own-server.ts";

/** While machines are being created or deleted, the pools list once a second, and a person would notice a longer delay. */
const CHANGING_MAX_AGE_MS = 1_000;
/** With all machines running: half of the pools' own interval, so that pools with different schedules share a listing. */
const STABLE_MAX_AGE_MS = 5_000;
/** Servers that one listing looks up by id. More than 20 rarely vanish at once; the others follow in the next listing. */
const LOOKUPS_MAX = 20;

export interface ListedServers {
  readonly servers: readonly OwnServer[];
  /** The reason why servers may be missing. Undefined: the listing is complete. */
  readonly problem: string | undefined;
  readonly startedAtMs: number;
}

export class ServerListing {
  readonly #compute: Compute;
  readonly #installation: string;
  #cached: ListedServers | undefined;
  #inFlight: Promise<ListedServers> | undefined;
  /** The servers of the latest listing, whatever its age, to find a server by its builder. */
  #latest: readonly OwnServer[] = [];
  /**
   * Every server that was created or listed, by id, until nova replies that it does not exist. `deleting`: the provider has
   * deleted it, or a listing has shown its deletion.
   */
  readonly #known = new Map<string, "present" | "deleting">();

  constructor(compute: Compute, installation: string) {
    this.#compute = compute;
    this.#installation = installation;
  }

  /** Throws CbError when any part of the listing fails. */
  list(): Promise<ListedServers> {
    if (this.#cached !== undefined && isFresh(this.#cached, Date.now())) return Promise.resolve(this.#cached);
    this.#inFlight ??= this.#start();
    return this.#inFlight;
  }

  /** The server in the latest listing. Its age does not matter, because the id never changes. Undefined: look it up. */
  find(builder: string): OwnServer | undefined {
    return this.#latest.find(({ machine }) => machine.builder === builder);
  }

  /** Records a created server, so that a listing without it is known to be older. */
  created(id: string): void {
    this.#known.set(id, "present");
  }

  /** Drops the cached listing, because a server may have been created or deleted since. */
  invalidate(): void {
    this.#cached = undefined;
    this.#inFlight = undefined;
  }

  /** Records a server that the provider has deleted. */
  deleted(id: string): void {
    this.#known.set(id, "deleting");
    this.invalidate();
  }

  #start(): Promise<ListedServers> {
    const started = this.#list().then(
      (listed) => {
        if (this.#inFlight === started) [this.#cached, this.#inFlight] = [listed, undefined];
        return listed;
      },
      (error: unknown) => {
        if (this.#inFlight === started) this.#inFlight = undefined;
        throw error;
      },
    );
    return started;
  }

  async #list(): Promise<ListedServers> {
    const startedAtMs = Date.now();
    const { signal } = new AbortController();
    const expected = [...this.#known.keys()];
    const listed = await this.#compute.servers([tagOf("installation", this.#installation)], signal);
    const missing = this.#missing(expected, listed);
    const lookedUp = await Promise.all(missing.slice(0, LOOKUPS_MAX).map((id) => this.#lookUp(id, signal)));
    const all = [...listed, ...lookedUp.flatMap((server) => server ?? [])];
    const servers = all.flatMap((server) => ownServer(server, this.#installation) ?? []);
    for (const { id, machine } of servers) {
      if (machine.status === "destroying") this.#known.set(id, "deleting");
      else if (!this.#known.has(id)) this.#known.set(id, "present");
    }
    this.#latest = servers;
    return { servers, problem: problemOf(all, missing), startedAtMs };
  }

  #missing(expected: readonly string[], listed: readonly Server[]): string[] {
    const ids = new Set(listed.map(({ id }) => id));
    return expected.filter((id) => this.#known.has(id) && !ids.has(id));
  }

  /**
   * A filtered listing silently omits the servers of a cell that is down, and an old one omits servers that were created since.
   * So a missing server is looked up by its id: there nova distinguishes "it does not exist" from "unknown".
   */
  async #lookUp(id: string, signal: AbortSignal): Promise<Server | undefined> {
    const server = await this.#compute.server(id, signal);
    // A soft-deleted server is switched off and cannot start by itself, so it counts as deleted.
    const isGone = server === undefined || (this.#known.get(id) === "deleting" && isSoftDeleted(server));
    if (!isGone) return server;
    this.#known.delete(id);
    return undefined;
  }
}

function problemOf(all: readonly Server[], missing: readonly string[]): string | undefined {
  const unknown = all.find(isUnknown);
  if (unknown !== undefined) return `nova cannot tell whether the server ${unknown.id} exists: its cell is down`;
  if (missing.length <= LOOKUPS_MAX) return undefined;
  return `${missing.length} servers are missing from nova's listing, and are being looked up one by one`;
}

function isFresh({ servers, startedAtMs }: ListedServers, nowMs: number): boolean {
  const isStable = servers.every(({ machine }) => machine.status === "running");
  const ageMs = nowMs - startedAtMs;
  return ageMs >= 0 && ageMs < (isStable ? STABLE_MAX_AGE_MS : CHANGING_MAX_AGE_MS);
}
