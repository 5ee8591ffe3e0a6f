/** Collects the inputs of a build, so that the queue finds an earlier build with the same ones. */

import { findSettings, ownPlaces } from "../../../config/client-config.ts";
import type { ReuseDefault } from "../../../config/client-sources.ts";
import type { Recipe, SameBuildRequest } from "../../../protocol/build-messages.ts";
import type { BuildSecrets } from "../../../protocol/secret-messages.ts";
import { contextDigest } from "../../../recipe/context/digest.ts";
import type { Context } from "../../../recipe/context/find.ts";
import type { BuildOptionValues } from "../options/declare.ts";
import { baseDigests } from "./base-digests.ts";
import { buildDigest } from "./build-digest.ts";
import { type ReuseRule, reuseRule } from "./reuse-rule.ts";

export interface SameBuildCall {
  readonly recipe: Recipe;
  readonly context: Context | undefined;
  readonly secrets: BuildSecrets | undefined;
  readonly arch: string | undefined;
  readonly pool: string | undefined;
  readonly signal: AbortSignal;
}

export interface SameBuild {
  /** Undefined: the build is made anew, and no other call gets it. */
  readonly request?: SameBuildRequest;
  /** Of the files that the digest stands for. */
  readonly stamp?: string;
  /** Why no earlier build is used, where the user expects one. */
  readonly note?: string;
}

/** Throws CbError "config" for settings that cannot be read, "usage" as reuseRule(). */
export function ownReuseRule(
  options: BuildOptionValues,
  { recipe, secrets }: Pick<SameBuildCall, "recipe" | "secrets">,
): ReuseRule {
  const reuseDefault = (findSettings(ownPlaces()).reuseBuilds?.value ?? "dockerfiles") as ReuseDefault;
  return reuseRule({ recipe, options, hasSecrets: (secrets?.secrets.length ?? 0) > 0, reuseDefault });
}

/** Reads the files of the context once, and asks the registries for the base images meanwhile. Errors as contextDigest() and baseDigests(). */
export async function sameBuild(rule: ReuseRule, call: SameBuildCall): Promise<SameBuild> {
  if (rule.kind === "off") return rule.isNews ? { note: noted(rule.reason) } : {};
  const { recipe, context, secrets, arch, pool, signal } = call;
  const [found, files] = await Promise.all([
    baseDigests(recipe, secrets?.logins ?? [], signal),
    context === undefined ? undefined : contextDigest(context, signal),
  ]);
  if ("unknown" in found) return rule.kind === "rebuild" ? {} : { note: noted(found.unknown) };
  const digest = buildDigest({ recipe, context: files?.digest, bases: found.bases, arch, pool });
  return {
    request: { digest, ...(rule.kind === "rebuild" ? { rebuild: true as const } : {}) },
    ...(files === undefined ? {} : { stamp: files.stamp }),
  };
}

const noted = (reason: string): string => `no earlier build is used: ${reason}`;
