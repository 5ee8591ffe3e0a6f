/** The line that tells the user that a call gets an earlier build. Pure. */
import type { SameBuildReply } from "../../../protocol/build-messages.ts";
import { SHORT_ID_CHARS } from "../../short-id.ts";
import { duration } from "../../text/progress.ts";

export function sharedText(build: string, { state, ageMs }: SameBuildReply): string {
  const id = build.slice(0, SHORT_ID_CHARS);
  const age = duration(ageMs);
  if (state === "succeeded")
    return `the same build, ${id}, ended ${age} ago: its image is used again; --rebuild builds anew`;
  const since = state === "leased" ? `has run for ${age}` : `has waited for ${age}`;
  return `the same build, ${id}, ${since}: this call shares it; --rebuild builds anew`;
}
