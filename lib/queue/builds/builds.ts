/** All builds that are remembered, in memory as in KV. Every change goes through `change`, decided on what KV holds. */

import type { Logger } from "../../core/log.ts";
import type { KvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser } from "../../nats/jetstream/records.ts";
import { type BuildRecord, buildRecord, type RecipeRecord, recipeRecord } from "./record.ts";

export interface BuildStores {
  readonly records: KvStore;
  readonly recipes: KvStore;
  readonly log: Logger;
}

export class Builds {
  readonly #cache: KvCache<BuildRecord>;
  readonly #recipes: Records<RecipeRecord>;
  /** `user/request` → build. */
  readonly #byRequest = new Map<string, string>();

  constructor({ records, recipes, log }: BuildStores) {
    this.#cache = new KvCache(new Records({ keys: records, prefix: "build", parse: recordParser(buildRecord) }), log);
    this.#recipes = new Records({ keys: recipes, prefix: "recipe", parse: recordParser(recipeRecord) });
  }

  /** Takes up what an earlier queue left, and drops recipes of reservations that it did not finish. */
  async load(): Promise<void> {
    await this.#cache.load();
    for (const record of this.all()) this.#byRequest.set(requestKey(record), record.build);
    const live = new Set([...this.waiting(), ...this.leased()].map(({ build }) => build));
    for (const build of await this.#recipes.ids()) if (!live.has(build)) await this.dropRecipe(build);
  }

  /** Looks up what writes that failed have made of their records. Never throws: what cannot be looked up stays in doubt. */
  settle(): Promise<void> {
    return this.#cache.settle();
  }

  /** A write of it failed that may have happened, so it may be leased, or over, and not look so here. */
  isInDoubt(build: string): boolean {
    return this.#cache.isInDoubt(build);
  }

  /** Remembers a new build; its recipe is stored first, so that no record is ever without one. */
  async add(record: BuildRecord, needs: Omit<RecipeRecord, "v">): Promise<void> {
    await this.#recipes.create(record.build, { v: 1, ...needs });
    try {
      await this.#cache.create(record.build, record);
    } catch (error) {
      // The reservation fails and is undone. If the record was stored all the same, the next start of the queue reads it.
      this.#cache.forget(record.build);
      throw error;
    }
    this.#byRequest.set(requestKey(record), record.build);
  }

  get(build: string): BuildRecord | undefined {
    return this.#cache.get(build)?.value;
  }

  all(): BuildRecord[] {
    return Array.from(this.#cache.entries(), ([, { value }]) => value);
  }

  /** Builds without a builder, the oldest first. */
  waiting(): BuildRecord[] {
    return this.all()
      .filter(({ state }) => state === "waiting")
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  leased(): BuildRecord[] {
    return this.all().filter(({ state }) => state === "leased");
  }

  leasedByUser(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { user } of this.leased()) counts.set(user, (counts.get(user) ?? 0) + 1);
    return counts;
  }

  ofRequest(user: string, request: string): BuildRecord | undefined {
    return this.get(this.#byRequest.get(requestKey({ user, request })) ?? "");
  }

  /** Undefined when the build is gone. */
  async needs(build: string): Promise<Omit<RecipeRecord, "v"> | undefined> {
    return (await this.#recipes.get(build))?.value;
  }

  /**
   * Writes what `decide` makes of the record, and returns it; undefined when `decide` does, or when the build is gone.
   * `decide` is called again when somebody else wrote meanwhile.
   */
  change(build: string, decide: (record: BuildRecord) => BuildRecord | undefined): Promise<BuildRecord | undefined> {
    return this.#cache.change(build, decide);
  }

  /** Forgets the build, record and recipe. */
  async remove(build: string): Promise<void> {
    const stored = this.#cache.get(build);
    if (stored === undefined) return;
    await this.dropRecipe(build);
    await this.#cache.remove(build, stored.revision);
    this.#byRequest.delete(requestKey(stored.value));
  }

  /** The recipe is of no use after the end, and it is the user's. */
  async dropRecipe(build: string): Promise<void> {
    const recipe = await this.#recipes.get(build);
    if (recipe !== undefined) await this.#recipes.remove(build, recipe.revision);
  }
}

const requestKey = ({ user, request }: { user: string; request: string }): string => `${user}/${request}`;
