/** The build that a user names in a request. */
import { CbError } from "../../core/errors.ts";
import type { Builds } from "./builds.ts";
import type { BuildRecord } from "./record.ts";

/** Throws CbError "usage" for another user's build, with the same message as for an id that does not exist. */
export function ownBuild(builds: Builds, user: string, build: string): BuildRecord {
  const record = builds.get(build);
  if (record?.user !== user) throw unknownBuild(build);
  return record;
}

export const unknownBuild = (build: string): CbError =>
  new CbError("usage", `you have no build ${build}`, {
    hint: "cb-builds lists your builds; this one may have been deleted after its retention, or belong to another user",
  });
