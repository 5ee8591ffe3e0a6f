/** Deletes the streams of builds without a record. */
import { adminDeleteStreams, adminStreams } from "../../protocol/requests.ts";
import { size } from "../text/progress.ts";
import type { AdminSession } from "./admin-session.ts";
import { countText } from "./streams-text.ts";
import type { PrintLine } from "./users.ts";

/**
 * `all`: those that one reply lists; the last line then shows how many remain. Throws CbError "usage" for a build that has a
 * record or no streams with content; then none is deleted.
 */
export async function deleteStreams(session: AdminSession, chosen: readonly string[] | "all", print: PrintLine) {
  const listed = chosen === "all" ? await session.request(adminStreams, { v: 1 }) : undefined;
  const ids = listed?.builds.map(({ build }) => build) ?? [...chosen];
  if (ids.length === 0) return print("every build that has streams has a record; nothing was deleted");
  const { builds, bytes } = await session.request(adminDeleteStreams, { v: 1, builds: ids });
  print(`deleted the streams of ${countText(builds)}, ${size(bytes)}`);
  const remaining = (listed?.total ?? 0) - (listed?.builds.length ?? 0);
  if (remaining > 0) print(`${countText(remaining)} remain: repeat the command`);
}
