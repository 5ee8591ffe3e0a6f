/** The `lease` order: everything that an agent needs for one attempt. */
import type { BuildLimits } from "../../config/queue-config.ts";
import { LAYERS_LOGIN, layersRepository } from "../../oci/layers/token.ts";
import type { Compression } from "../../protocol/build-options.ts";
import type { Layers, Lease } from "../../protocol/builder-messages.ts";
import type { RegistryLogin } from "../../protocol/secret-messages.ts";
import type { BootstrapTrees } from "../bootstraps/trees.ts";
import type { BuildCredentials } from "../builds/build-credentials.ts";
import type { BuildNeeds } from "../builds/builds.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { PoolKind } from "./choose-pool.ts";
import type { LeaseSecrets } from "./lease-secrets.ts";

export interface LeaseMessagesOptions {
  readonly credentials: BuildCredentials;
  readonly secrets: LeaseSecrets;
  readonly trees: Pick<BootstrapTrees, "forLease">;
  readonly poolKinds: readonly PoolKind[];
  /** HOST or HOST:PORT of the registries that builders may use without TLS. */
  readonly plainHttpRegistries: readonly string[];
  /** Of builds that choose none. */
  readonly compression: Compression;
  readonly limits: BuildLimits;
}

/** The public keys of an agent: of its credential, and of the secrets that it gets. */
export interface AgentKeys {
  readonly publicKey: string;
  readonly sealingKey?: string | undefined;
}

export class LeaseMessages {
  readonly #options: LeaseMessagesOptions;

  constructor(options: LeaseMessagesOptions) {
    this.#options = options;
  }

  /**
   * Undefined when the recipe was deleted (`needs` is undefined), or the pool is no longer configured. Throws CbError "usage" as
   * LeaseSecrets.forLease().
   */
  create(record: BuildRecord, needs: BuildNeeds | undefined, { publicKey, sealingKey }: AgentKeys): Lease | undefined {
    const { credentials, secrets, trees, poolKinds, plainHttpRegistries, compression, limits } = this.#options;
    const kind = poolKinds.find(({ name }) => name === record.pool);
    if (needs === undefined || kind === undefined) return undefined;
    const { build, attempt, terminal } = record;
    const layers = sealingKey === undefined ? undefined : this.#layersOf(record, kind);
    const bootstrap = trees.forLease(record, needs);
    return {
      build,
      attempt,
      jwt: credentials.forAgent(build, publicKey, bootstrap?.build),
      recipe: { ...needs.recipe, options: { compression, ...needs.recipe.options } },
      arch: kind.arch,
      ...(needs.context === undefined ? {} : { context: needs.context }),
      ...(bootstrap === undefined ? {} : { bootstrap }),
      ...(terminal === undefined ? {} : { terminal }),
      ...(needs.listChunks === undefined ? {} : { listChunks: needs.listChunks }),
      ...secrets.forLease(record, needs, sealingKey, layers?.login),
      ...(layers === undefined
        ? {}
        : { layers: { ...layers.layers, ...(needs.rebuildLayers ? { rebuild: true as const } : {}) } }),
      plainHttpRegistries: [...plainHttpRegistries],
      ...(kind.mirrors === undefined ? {} : { mirrors: [...kind.mirrors] }),
      limits: { buildMs: limits.buildMs, logBytes: limits.logBytes, imageBytes: limits.imageBytes },
    };
  }

  /** Where a Dockerfile's layers of this user are kept, with the build's login for them. */
  #layersOf(
    { build, user, backend }: BuildRecord,
    { arch, layers }: PoolKind,
  ): { layers: Layers; login: RegistryLogin } | undefined {
    if (layers === undefined || backend !== "docker") return undefined;
    const repository = `${layers.host}/${layersRepository({ user, arch })}`;
    const password = this.#options.credentials.forLayers({ user, arch, build });
    return {
      layers: { repository, plainHttp: layers.plainHttp },
      login: { registry: repository, username: LAYERS_LOGIN, password },
    };
  }
}
