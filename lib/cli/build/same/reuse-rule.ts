/** Whether a call takes an earlier build with the same inputs. Pure. */
import type { ReuseDefault } from "../../../config/client-sources.ts";
import { CbError } from "../../../core/errors.ts";
import type { Recipe } from "../../../protocol/build-messages.ts";
import { fetchesOf } from "../../../recipe/fetches.ts";
import type { BuildOptionValues } from "../options/declare.ts";

export interface RuleInput {
  readonly recipe: Recipe;
  readonly options: Pick<BuildOptionValues, "rebuild" | "reuseBuild" | "cache" | "pull">;
  readonly hasSecrets: boolean;
  /** Of the site. */
  readonly reuseDefault: ReuseDefault;
}

/** `rebuild`: it builds anew, and later calls get its build. `isNews`: the user asked for the opposite. */
export type ReuseRule =
  | { readonly kind: "reuse" | "rebuild" }
  | { readonly kind: "off"; readonly reason: string; readonly isNews: boolean };

/** Throws CbError "usage" when the options contradict each other, and as fetchesOf(). */
export function reuseRule({ recipe, options, hasSecrets, reuseDefault }: RuleInput): ReuseRule {
  const isAsked = options.reuseBuild === true;
  const anew = flagToBuildAnew(options);
  if (isAsked && anew !== undefined) {
    throw new CbError("usage", `${anew} and --reuse-build contradict each other`, {
      hint: `${anew} builds anew, --reuse-build takes an earlier build: leave one of them out`,
    });
  }
  const off = (reason: string): ReuseRule => ({ kind: "off", reason, isNews: isAsked });
  if (hasSecrets) return off("the build gets secrets");
  if (!isAsked && reuseDefault === "none") return off("the settings say so; --reuse-build turns it on");
  const fetches = isAsked || reuseDefault === "all" ? undefined : fetchesOf(recipe);
  if (fetches !== undefined) return off(`${fetches}; --reuse-build turns it on`);
  return { kind: anew === undefined ? "reuse" : "rebuild" };
}

function flagToBuildAnew({ rebuild, cache, pull }: RuleInput["options"]): string | undefined {
  if (rebuild === true) return "--rebuild";
  // commander has --no-cache as `cache: false`.
  if (cache === false) return "--no-cache";
  return pull === true ? "--pull" : undefined;
}

/** For --dry-run. */
export function ruleText(rule: ReuseRule): string {
  if (rule.kind === "off") return `no: ${rule.reason}`;
  return rule.kind === "rebuild"
    ? "no: this call builds anew"
    : "yes, if you have the same build: one that waits or runs, or an image that is kept";
}
