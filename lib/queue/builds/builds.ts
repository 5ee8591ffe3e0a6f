/** The records of all builds, in memory and in KV. `change` compares the revision before it writes. */

import { StaleWriteError } from "../../nats/jetstream/kv.ts";
import type { Records, StoredRecord } from "../../nats/jetstream/records.ts";
import type { BuildRecord, RecipeRecord } from "./record.ts";

/** More lost writes in a row are a bug: only one queue writes, and few of its handlers write one record. */
const ATTEMPTS_MAX = 10;

export interface BuildStores {
  readonly records: Records<BuildRecord>;
  readonly recipes: Records<RecipeRecord>;
}

export class Builds {
  readonly #stores: BuildStores;
  readonly #known = new Map<string, StoredRecord<BuildRecord>>();
  /** `user/request` → build. */
  readonly #byRequest = new Map<string, string>();
  /** Builds of which a write has failed that KV may have stored. */
  readonly #doubtful = new Set<string>();

  constructor(stores: BuildStores) {
    this.#stores = stores;
  }

  /** Reads the records of an earlier queue, and deletes the recipes of its unfinished reservations. */
  async load(): Promise<void> {
    for (const [build, stored] of await this.#stores.records.all()) this.#remember(build, stored);
    const live = new Set([...this.waiting(), ...this.leased()].map(({ build }) => build));
    for (const build of await this.#stores.recipes.ids()) if (!live.has(build)) await this.dropRecipe(build);
  }

  /** Reads the records of failed writes again. Never throws: a record that cannot be read stays in doubt. */
  async settle(): Promise<void> {
    for (const build of this.#doubtful) await this.#lookAgain(build).catch(() => undefined);
  }

  /** True after a failed write that KV may have stored: the build may be leased, or ended, although this record does not show it. */
  isInDoubt(build: string): boolean {
    return this.#doubtful.has(build);
  }

  /** Stores a new build: the recipe first, so that no record is ever without one. */
  async add(record: BuildRecord, needs: Omit<RecipeRecord, "v">): Promise<void> {
    await this.#stores.recipes.create(record.build, { v: 1, ...needs });
    const revision = await this.#stores.records.create(record.build, record);
    this.#remember(record.build, { value: record, revision });
  }

  get(build: string): BuildRecord | undefined {
    return this.#known.get(build)?.value;
  }

  all(): BuildRecord[] {
    return [...this.#known.values()].map(({ value }) => value);
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
  async needs(build: string): Promise<Omit<RecipeRecord, "v"> | undefined> {
    return (await this.#stores.recipes.get(build))?.value;
  }

  /**
   * Writes the record that `decide` returns, and returns it. Undefined when `decide` returns undefined, or the build was
   * deleted. `decide` is called again when another handler has written the record in the meantime.
   */
  async change(
    build: string,
    decide: (record: BuildRecord) => BuildRecord | undefined,
  ): Promise<BuildRecord | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = this.#known.get(build);
      const next = stored === undefined ? undefined : decide(stored.value);
      if (stored === undefined || next === undefined) return undefined;
      try {
        const revision = await this.#stores.records.update(build, next, stored.revision);
        this.#remember(build, { value: next, revision });
        return next;
      } catch (error) {
        this.#doubtful.add(build);
        if (!(error instanceof StaleWriteError)) throw error;
        await this.#lookAgain(build);
      }
    }
    throw new Error(`record of build ${build} was changed by others ${ATTEMPTS_MAX} times in a row`);
  }

  /** Deletes record and recipe. */
  async remove(build: string): Promise<void> {
    const stored = this.#known.get(build);
    if (stored === undefined) return;
    await this.dropRecipe(build);
    try {
      await this.#stores.records.remove(build, stored.revision);
      this.#forget(build);
    } catch (error) {
      this.#doubtful.add(build);
      await this.#lookAgain(build);
      throw error;
    }
  }

  /** Called at the end of the build: the recipe is the user's data and no longer needed. */
  async dropRecipe(build: string): Promise<void> {
    const recipe = await this.#stores.recipes.get(build);
    if (recipe !== undefined) await this.#stores.recipes.remove(build, recipe.revision);
  }

  async #lookAgain(build: string): Promise<void> {
    const stored = await this.#stores.records.get(build);
    if (stored === undefined) this.#forget(build);
    else this.#remember(build, stored);
    this.#doubtful.delete(build);
  }

  #remember(build: string, stored: StoredRecord<BuildRecord>): void {
    const known = this.#known.get(build);
    if (known !== undefined && known.revision > stored.revision) return;
    this.#known.set(build, stored);
    this.#byRequest.set(requestKey(stored.value), build);
  }

  #forget(build: string): void {
    const stored = this.#known.get(build);
    if (stored !== undefined) this.#byRequest.delete(requestKey(stored.value));
    this.#known.delete(build);
  }
}

const requestKey = ({ user, request }: { user: string; request: string }): string => `${user}/${request}`;
