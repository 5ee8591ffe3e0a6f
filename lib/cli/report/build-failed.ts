/** The error of a build that failed: the part of the recipe, the exit status, and the last lines of the output. */
import { CbError } from "../../core/errors.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { type FailureCause, failureCause, withCause } from "../../recipe/failure-cause.ts";
import type { BuildReport } from "./build-report.ts";

export class BuildFailed extends CbError {
  readonly failure: FailureCause;

  constructor(message: string, failure: FailureCause, hint: string) {
    super("recipe", message, { hint });
    this.name = "BuildFailed";
    this.failure = failure;
  }
}

/** `reason`: that of the queue's record. */
export function buildFailed(reason: string, report: BuildReport, recipe: Recipe | undefined): BuildFailed {
  const failure = failureCause(report.tail, recipe);
  const lines = failure.lines.map((line) => `\n    ${line}`).join("");
  return new BuildFailed(
    `the build failed: ${withCause(reason, failure)}${lines}`,
    failure,
    `the whole output: cb-logs ${report.build ?? "ID"}`,
  );
}
