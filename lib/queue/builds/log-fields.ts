/** The fields of a log line about a build, always under these names, so that an operator finds all lines of a build. */
import type { BuildRecord } from "./record.ts";

/** `builder` while it has one. */
export const buildFields = ({ build, user, pool, builder }: BuildRecord) => ({
  build,
  user,
  pool,
  ...(builder === undefined ? {} : { builder }),
});
