/** A call builds anew, once, when the earlier build that it was given turns out to be of no use. Pure. */
import { CbError } from "../../../core/errors.ts";
import type { BuildReport } from "../../report/build-report.ts";
import type { SameBuild } from "./same-build.ts";

export interface SharedCall {
  readonly report: Pick<BuildReport, "shared" | "builder">;
  readonly imagePath: string;
}

/**
 * True when the kept image is damaged or gone, unless a part of it is on standard output; and when the shared build was lost before it
 * had a builder, because the call that began it never sent its files. A recipe that failed has failed for all.
 */
export function failedShared(error: unknown, { report: { shared, builder }, imagePath }: SharedCall): boolean {
  if (!(error instanceof CbError) || shared === undefined) return false;
  if (shared.state === "succeeded") return imagePath !== "-" && ["infrastructure", "usage"].includes(error.kind);
  return shared.awaitsContext === true && builder === undefined && error.kind === "infrastructure";
}

export const forced = ({ request, ...rest }: SameBuild): SameBuild => ({
  ...rest,
  ...(request === undefined ? {} : { request: { ...request, rebuild: true } }),
});
