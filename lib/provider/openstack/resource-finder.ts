/** Finds the cloud's resources that a configuration names, and reports all names without a resource at once. */
import { CbError } from "../../core/errors.ts";
import type { CloudResource } from "./api/cloud-resources.ts";
import { similarNames } from "./similar-names.ts";

/** Finds resources by id or by name, and collects a message for each that it does not find. */
export class ResourceFinder {
  readonly #mistakes: string[] = [];

  all(setting: string, namesOrIds: readonly string[], resources: readonly CloudResource[]): CloudResource[] {
    return namesOrIds.flatMap((nameOrId) => this.#find(setting, nameOrId, resources) ?? []);
  }

  /** Throws CbError "config" when a resource was not found, or a name is not unique. */
  throwMistakes(): void {
    if (this.#mistakes.length === 0) return;
    throw new CbError("config", `the configuration does not match the cloud\n${this.#mistakes.join("\n")}`);
  }

  #find(setting: string, nameOrId: string, resources: readonly CloudResource[]): CloudResource | undefined {
    const byId = resources.find(({ id }) => id === nameOrId);
    if (byId !== undefined) return byId;
    const [first, second] = resources.filter(({ name }) => name === nameOrId);
    if (first === undefined) {
      const existing = similarNames(
        nameOrId,
        resources.map(({ name }) => name),
      );
      this.#mistakes.push(`  ${setting}: ${nameOrId} does not exist; existing: ${existing}`);
    } else if (second !== undefined) {
      this.#mistakes.push(`  ${setting}: ${nameOrId} is not unique; use an id: ${first.id}, ${second.id}`);
    }
    return first;
  }
}
