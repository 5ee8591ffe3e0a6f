/**
 * The servers of one installation, listed for all its pools together: whoever looks while a listing is under way, or
 * shortly after, is given that one with the time it was started. So the calls grow neither with builders nor with pools.
 */
import type { Compute } from "./api/compute.ts";
import { isSoftDeleted, isUnknown, type OwnServer, ownServer, type Server } from "./api/server.ts";
import { tagOf } from "./marks.ts";

/** While machines come and go a second is what a person notices; the pools look once a second then. */
const MOVING_MS = 1_000;
/** With all at rest: half of the pools' own pace, so that pools which look at different moments share. */
const SETTLED_MS = 5_000;
/** Asked for by their ids in one look; more than that rarely go at once, and the rest has its turn in the next. */
const ASKED_FOR = 20;

export interface Listed {
  readonly servers: readonly OwnServer[];
  /** Why it may lack some; undefined: it is complete. */
  readonly problem: string | undefined;
  readonly startedAtMs: number;
}

export class ServerListing {
  readonly #compute: Compute;
  readonly #installation: string;
  #kept: Listed | undefined;
  #underWay: Promise<Listed> | undefined;
  /** The latest there was, for finding a server by its builder. */
  #latest: readonly OwnServer[] = [];
  /** By id every server that was made or listed, until nova says that there is none; `leaving`: it was asked to go, or is on its way. */
  readonly #known = new Map<string, "standing" | "leaving">();

  constructor(compute: Compute, installation: string) {
    this.#compute = compute;
    this.#installation = installation;
  }

  /** Throws CbError: a part of the listing is none. */
  look(): Promise<Listed> {
    if (this.#kept !== undefined && isFresh(this.#kept, Date.now())) return Promise.resolve(this.#kept);
    this.#underWay ??= this.#start();
    return this.#underWay;
  }

  /** As the latest listing has it, which may be old: a server keeps its id. Undefined: look for it. */
  find(builder: string): OwnServer | undefined {
    return this.#latest.find(({ machine }) => machine.builder === builder);
  }

  /** It was made: a listing that does not show it is older than that. */
  made(id: string): void {
    this.#known.set(id, "standing");
  }

  /** Something may have been made: what was listed before is not to be shown any more. */
  changed(): void {
    this.#kept = undefined;
    this.#underWay = undefined;
  }

  /** It was asked to go. */
  going(id: string): void {
    this.#known.set(id, "leaving");
    this.changed();
  }

  #start(): Promise<Listed> {
    const mine = this.#list().then(
      (listed) => {
        if (this.#underWay === mine) [this.#kept, this.#underWay] = [listed, undefined];
        return listed;
      },
      (error: unknown) => {
        if (this.#underWay === mine) this.#underWay = undefined;
        throw error;
      },
    );
    return mine;
  }

  async #list(): Promise<Listed> {
    const startedAtMs = Date.now();
    const { signal } = new AbortController();
    const expected = [...this.#known.keys()];
    const listed = await this.#compute.servers([tagOf("installation", this.#installation)], signal);
    const missing = this.#missing(expected, listed);
    const asked = await Promise.all(missing.slice(0, ASKED_FOR).map((id) => this.#askFor(id, signal)));
    const all = [...listed, ...asked.flatMap((server) => server ?? [])];
    const servers = all.flatMap((server) => ownServer(server, this.#installation) ?? []);
    for (const { id, machine } of servers) {
      if (machine.status === "destroying") this.#known.set(id, "leaving");
      else if (!this.#known.has(id)) this.#known.set(id, "standing");
    }
    this.#latest = servers;
    return { servers, problem: problemOf(all, missing), startedAtMs };
  }

  #missing(expected: readonly string[], listed: readonly Server[]): string[] {
    const ids = new Set(listed.map(({ id }) => id));
    return expected.filter((id) => this.#known.has(id) && !ids.has(id));
  }

  /**
   * A filtered listing leaves out, without a word, the servers of a cell that does not answer, and one that is old leaves out
   * what was made since. So one that is missing is asked for by its id, where nova tells "there is none" from "I cannot tell".
   */
  async #askFor(id: string, signal: AbortSignal): Promise<Server | undefined> {
    const server = await this.#compute.server(id, signal);
    // Kept for a while after its deletion, it is off and cannot come back by itself.
    const isOver = server === undefined || (this.#known.get(id) === "leaving" && isSoftDeleted(server));
    if (!isOver) return server;
    this.#known.delete(id);
    return undefined;
  }
}

function problemOf(all: readonly Server[], missing: readonly string[]): string | undefined {
  const unknown = all.find(isUnknown);
  if (unknown !== undefined) return `nova cannot say whether the server ${unknown.id} exists: its cell does not answer`;
  if (missing.length <= ASKED_FOR) return undefined;
  return `${missing.length} servers have vanished from nova's listing, and are being asked for one by one`;
}

function isFresh({ servers, startedAtMs }: Listed, nowMs: number): boolean {
  const settled = servers.every(({ machine }) => machine.status === "running");
  const ageMs = nowMs - startedAtMs;
  return ageMs >= 0 && ageMs < (settled ? SETTLED_MS : MOVING_MS);
}
