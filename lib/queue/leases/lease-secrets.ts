/**
 * The secrets of a lease. The client sealed them to the queue's key; the queue opens them for one lease, seals them to the key of
 * that agent, and overwrites the plain bytes. It neither parses nor stores them. Logins of the site go into a box of their own.
 */
import { CbError } from "../../core/errors.ts";
import { erase, open, type SealedBox, type SealingKey, seal, sealingKeyId } from "../../core/sealed-box.ts";
import type { ReserveRequest } from "../../protocol/build-messages.ts";
import type { Lease } from "../../protocol/builder-messages.ts";
import {
  type BuildSecrets,
  forBuilder,
  forQueue,
  type RegistryLogin,
  siteLoginsForBuilder,
} from "../../protocol/secret-messages.ts";
import { registriesOf } from "../../recipe/base-images.ts";
import type { BuildRecord, RecipeRecord } from "../builds/record.ts";

export class LeaseSecrets {
  /** Users seal to the first; a renewed key opens boxes until it is removed. Empty: the queue takes no secrets. */
  readonly #keys: readonly SealingKey[];
  /** For all builds that pull from these registries. */
  readonly #siteLogins: readonly RegistryLogin[];

  constructor(keys: readonly SealingKey[] = [], siteLogins: readonly RegistryLogin[] = []) {
    this.#keys = keys;
    this.#siteLogins = siteLogins;
  }

  /** Throws CbError "config" for secrets that the queue could not open when it leases. */
  check({ secrets }: Pick<ReserveRequest, "secrets">): void {
    if (secrets === undefined) return;
    const [current] = this.#keys;
    if (current === undefined) {
      throw new CbError("config", "this queue takes no secrets and no logins for registries", {
        hint: "an operator can add a key: issuer.sealingKey in the queue's configuration",
      });
    }
    if (this.#keyOf(secrets) !== undefined) return;
    const own = sealingKeyId(current.publicKey);
    throw new CbError("config", `the secrets are sealed to the key ${secrets.keyId}; this queue has ${own}`, {
      hint: 'the setting "sealingKey" is outdated, or of another installation: take it from the config.yaml of your operators (container-builder config shows the file that has it)',
    });
  }

  #keyOf({ keyId }: SealedBox): SealingKey | undefined {
    return this.#keys.find(({ publicKey }) => sealingKeyId(publicKey) === keyId);
  }

  /**
   * `agentKey` is the agent's. Throws CbError "usage" when the secrets do not open: they are of another user or request, or the
   * queue's key was replaced; and when the agent has no key. `own`: a login for this build alone.
   */
  forLease(
    record: BuildRecord,
    { recipe, secrets }: Pick<RecipeRecord, "recipe" | "secrets">,
    agentKey: string | undefined,
    own?: RegistryLogin,
  ): Pick<Lease, "secrets" | "siteLogins"> {
    const registries = this.#siteLogins.length === 0 ? [] : registriesOf(recipe);
    const ofSite = this.#siteLogins.filter(({ registry }) => registries.includes(registry));
    const logins = own === undefined ? ofSite : [...ofSite, own];
    return { ...this.#ofUser(record, secrets, agentKey), ...this.#ofSite(record, logins, agentKey) };
  }

  #ofUser(record: BuildRecord, secrets: SealedBox | undefined, agentKey: string | undefined): Pick<Lease, "secrets"> {
    if (secrets === undefined) return {};
    const key = this.#keyOf(secrets);
    if (key === undefined) throw new CbError("usage", "the queue no longer has the key of the build's secrets");
    if (agentKey === undefined) throw new CbError("usage", "this builder's image is too old for secrets");
    const plain = open(secrets, key, forQueue(record.user, record.request));
    try {
      return { secrets: seal(plain, agentKey, forBuilder(leaseOf(record))) };
    } finally {
      erase(plain);
    }
  }

  /** An agent without a key gets none: the images that it pulls may be public. */
  #ofSite(record: BuildRecord, logins: RegistryLogin[], agentKey: string | undefined): Pick<Lease, "siteLogins"> {
    if (logins.length === 0 || agentKey === undefined) return {};
    const content: BuildSecrets = { v: 1, secrets: [], logins };
    const plain = Buffer.from(JSON.stringify(content));
    return { siteLogins: seal(plain, agentKey, siteLoginsForBuilder(leaseOf(record))) };
  }
}

const leaseOf = ({ build, attempt, builder = "" }: BuildRecord) => ({ build, attempt, builder });
