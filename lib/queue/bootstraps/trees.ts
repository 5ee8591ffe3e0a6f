/** The trees that leases carry, and the wishes for those that do not exist. */
import type { BootstrapsConfig } from "../../config/bootstraps-config.ts";
import type { Clock } from "../../core/clock.ts";
import type { BootstrapTree } from "../../protocol/builder-messages.ts";
import type { BuildNeeds, Builds } from "../builds/builds.ts";
import type { BuildRecord } from "../builds/record.ts";
import { bootstrapArgumentsOf } from "./arguments.ts";
import { BOOTSTRAP_USER, isWanted, madeAtMs, type TreeWish, treeFor, treeName } from "./decide.ts";

/** More are forgotten: they come again with the next build of their arguments. */
const WISHES_MAX = 16;

export interface BootstrapTreesOptions {
  readonly builds: Pick<Builds, "all">;
  readonly config: BootstrapsConfig;
  readonly clock: Clock;
}

export class BootstrapTrees {
  readonly #options: BootstrapTreesOptions;
  /** By pool and name. Not stored: a restarted queue learns them from the next builds. */
  readonly #wishes = new Map<string, TreeWish>();

  constructor(options: BootstrapTreesOptions) {
    this.#options = options;
  }

  /** The tree for a build that is leased now. Without one, or with one that grows old, the queue makes the next. */
  forLease(record: BuildRecord, { recipe, noCache }: BuildNeeds): BootstrapTree | undefined {
    const { builds, config, clock } = this.#options;
    const { user, pool, builderImage } = record;
    if (noCache || user === BOOTSTRAP_USER || builderImage === undefined) return undefined;
    const args = bootstrapArgumentsOf(recipe, config);
    if (args === undefined) return undefined;
    const wish = { arguments: args, pool, builderImage };
    const tree = treeFor(wish, builds.all(), clock.nowMs());
    if (isWanted(tree, clock.nowMs())) this.#add(wish);
    if (tree?.final?.state !== "succeeded") return undefined;
    const { bytes, digest } = tree.final;
    return { ...args, build: tree.build, bytes, digest, madeAtMs: madeAtMs(tree) };
  }

  /** The oldest first. */
  wishes(): TreeWish[] {
    return [...this.#wishes.values()];
  }

  forget(wish: TreeWish): void {
    this.#wishes.delete(keyOf(wish));
  }

  #add(wish: TreeWish): void {
    const key = keyOf(wish);
    if (this.#wishes.has(key) || this.#wishes.size < WISHES_MAX) this.#wishes.set(key, wish);
  }
}

const keyOf = ({ pool, arguments: args }: TreeWish): string => `${pool} ${treeName(args)}`;
