/**
 * The servers of one installation, listed for all its pools together: whoever looks while a listing is under way, or
 * shortly after, is given that one with the time it was started. So the calls grow neither with builders nor with pools.
 */
import type { Compute } from "./compute.ts";
import { tagOf } from "./marks.ts";
import { isUnknown, type OwnServer, ownServer } from "./server.ts";

/** While machines come and go a second is what a person notices; the pools look once a second then. */
const MOVING_MS = 1_000;
/** With all at rest: half of the pools' own pace, so that pools which look at different moments share. */
const SETTLED_MS = 5_000;

export interface Listed {
  readonly servers: readonly OwnServer[];
  /** False where nova cannot say of some of them whether they exist. */
  readonly complete: boolean;
  readonly startedAtMs: number;
}

export class Listing {
  readonly #compute: Compute;
  readonly #installation: string;
  #kept: Listed | undefined;
  /** The latest there was, for finding a server by its builder. */
  #latest: readonly OwnServer[] = [];
  #underWay: Promise<Listed> | undefined;

  constructor(compute: Compute, installation: string) {
    this.#compute = compute;
    this.#installation = installation;
  }

  /** Throws CbError: a part of the listing is none. */
  look(): Promise<Listed> {
    if (this.#kept !== undefined && isFresh(this.#kept, Date.now())) return Promise.resolve(this.#kept);
    if (this.#underWay !== undefined) return this.#underWay;
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
    this.#underWay = mine;
    return mine;
  }

  /** As the latest listing has it, which may be old: a server keeps its id. Undefined: look for it. */
  find(builder: string): OwnServer | undefined {
    return this.#latest.find(({ machine }) => machine.builder === builder);
  }

  /** Something was made or taken away: what was listed before is not to be shown any more. */
  changed(): void {
    this.#kept = undefined;
    this.#underWay = undefined;
  }

  async #list(): Promise<Listed> {
    const startedAtMs = Date.now();
    const { signal } = new AbortController();
    const servers = await this.#compute.servers([tagOf("installation", this.#installation)], signal);
    const own = servers.flatMap((server) => ownServer(server, this.#installation) ?? []);
    const listed = { servers: own, complete: !servers.some(isUnknown), startedAtMs };
    this.#latest = own;
    return listed;
  }
}

function isFresh({ servers, startedAtMs }: Listed, nowMs: number): boolean {
  const settled = servers.every(({ machine }) => machine.status === "running");
  const ageMs = nowMs - startedAtMs;
  return ageMs >= 0 && ageMs < (settled ? SETTLED_MS : MOVING_MS);
}
