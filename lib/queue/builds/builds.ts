/** The records of all builds, in memory and in KV. `change` compares the revision before it writes. */

import type { Logger } from "../../core/log.ts";
import type { KvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser } from "../../nats/jetstream/records.ts";
import type { QueueEvents } from "../watch/events.ts";
import { type BuildRecord, buildRecord, type RecipeRecord, recipeRecord } from "./record.ts";

export interface BuildStores {
  readonly records: KvStore;
  readonly recipes: KvStore;
  readonly log: Logger;
  readonly events?: QueueEvents | undefined;
}

/** The builder's input. */
export type BuildNeeds = Omit<RecipeRecord, "v">;

export class Builds {
  readonly #cache: KvCache<BuildRecord>;
  readonly #recipes: Records<RecipeRecord>;
  /** Builds of failed reservations: their records are removed once KV has told whether they were stored. */
  readonly #abandoned = new Set<string>();
  readonly #events: QueueEvents | undefined;
  /** `user/request` → build. */
  readonly #byRequest = new Map<string, string>();

  constructor({ records, recipes, log, events }: BuildStores) {
    this.#events = events;
    this.#cache = new KvCache(new Records({ keys: records, prefix: "build", parse: recordParser(buildRecord) }), log);
    this.#recipes = new Records({ keys: recipes, prefix: "recipe", parse: recordParser(recipeRecord) });
  }

  /** Reads the records of an earlier queue. */
  async load(): Promise<void> {
    await this.#cache.load();
    for (const record of this.all()) this.#index(record);
  }

  /**
   * Deletes the recipes of builds that have ended and of unfinished reservations. `unrecorded`: builds that have lost their
   * records; their recipes are kept, because an operator may restore the records. Returns the waiting builds without a recipe,
   * which no builder can build.
   */
  async dropUnusedRecipes(unrecorded: ReadonlySet<string>): Promise<string[]> {
    const live = new Set([...this.waiting(), ...this.leased()].map(({ build }) => build));
    const recipes = new Set(await this.#recipes.ids());
    for (const build of recipes) if (!live.has(build) && !unrecorded.has(build)) await this.dropRecipe(build);
    return this.waiting().flatMap(({ build }) => (recipes.has(build) ? [] : [build]));
  }

  /** Reads the records of failed writes again. A record that cannot be read stays in doubt. Throws when a record cannot be removed. */
  async settle(): Promise<void> {
    await this.#cache.settle();
    for (const build of this.#abandoned) if (!this.#cache.isInDoubt(build)) await this.#removeAbandoned(build);
  }

  async #removeAbandoned(build: string): Promise<void> {
    const stored = this.#cache.get(build);
    if (stored !== undefined) await this.#cache.remove(build, stored.revision);
    await this.dropRecipe(build);
    this.#abandoned.delete(build);
  }

  /** True after a failed write that KV may have stored: the build may be leased, or ended, although this record does not show it. */
  isInDoubt(build: string): boolean {
    return this.#cache.isInDoubt(build);
  }

  /** Stores the recipe of a new build. Called before `add`, so that no record is ever without one. */
  async addRecipe(build: string, needs: BuildNeeds): Promise<void> {
    await this.#recipes.create(build, { v: 1, ...needs });
  }

  /** Stores a new build. Succeeds too when the reply to the write of the record is lost and the record can be read. */
  async add(record: BuildRecord): Promise<void> {
    try {
      await this.#cache.create(record.build, record);
    } catch (error) {
      if (this.#cache.get(record.build) === undefined) {
        if (this.#cache.isInDoubt(record.build)) this.#abandoned.add(record.build);
        throw error;
      }
    }
    this.#index(record);
    this.#events?.buildChanged(record);
  }

  #index(record: BuildRecord): void {
    for (const key of requestKeys(record)) this.#byRequest.set(key, record.build);
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

  /** The builder's input. Undefined when the build has ended or was deleted. */
  async needs(build: string): Promise<BuildNeeds | undefined> {
    return (await this.#recipes.get(build))?.value;
  }

  /**
   * Writes the record that `decide` returns, and returns it. Undefined when `decide` returns undefined, or the build was
   * deleted. `decide` is called again when another handler has written the record in the meantime.
   */
  async change(
    build: string,
    decide: (record: BuildRecord) => BuildRecord | undefined,
  ): Promise<BuildRecord | undefined> {
    let before: BuildRecord | undefined;
    const record = await this.#cache.change(build, (current) => {
      before = current;
      return decide(current);
    });
    if (record === undefined) return undefined;
    this.#index(record);
    this.#events?.buildChanged(record, before);
    return record;
  }

  /** Deletes record and recipe. */
  async remove(build: string): Promise<void> {
    const stored = this.#cache.get(build);
    if (stored === undefined) return;
    await this.dropRecipe(build);
    await this.#cache.remove(build, stored.revision);
    for (const key of requestKeys(stored.value)) this.#byRequest.delete(key);
  }

  /** Called at the end of the build: the recipe is the user's data and no longer needed. */
  async dropRecipe(build: string): Promise<void> {
    const recipe = await this.#recipes.get(build);
    if (recipe !== undefined) await this.#recipes.remove(build, recipe.revision);
  }
}

/** Of the request that began the build, and of those that share it. */
const requestKeys = ({ user, request, clients = [] }: BuildRecord): string[] =>
  [request, ...clients].map((one) => requestKey({ user, request: one }));
const requestKey = ({ user, request }: { user: string; request: string }): string => `${user}/${request}`;
