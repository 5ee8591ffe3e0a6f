/** The end of a build when its log has lost its last messages: the queue's record shows how the build ended. */
import { CbError } from "../../core/errors.ts";
import type { FinalState } from "../../protocol/build-messages.ts";
import { builds } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";
import type { LogCut } from "./follow.ts";

/** The error of a build that did not succeed. */
export function finalStateError(state: Exclude<FinalState["state"], "succeeded">, reason: string): CbError {
  if (state === "failed") return new CbError("recipe", `the build failed: ${reason}`);
  if (state === "cancelled") return new CbError("cancelled", `the build was ${reason}`);
  return new CbError("infrastructure", `the build was lost: ${reason}`, { hint: lostHint(reason) });
}

/** An agent that a signal ended (lib/provider/sandbox/read-machine.ts) was ended by its own recipe, or by the kernel for its memory. */
function lostHint(reason: string): string {
  if (!/ was ended by SIG[A-Z]+/.test(reason)) return "the same call may work now";
  return "does the recipe end processes that it has not started, or need more memory than the builder has?";
}

/**
 * The error for the user. After a success it is `cut` itself: the message that is missing had the digest of the image, without
 * which the image gets no name.
 */
export async function endOfCutLog(session: Pick<Session, "request">, cut: LogCut): Promise<CbError> {
  const reply = await session.request(builds, { v: 1 }).catch(() => undefined);
  const record = reply?.builds.find(({ build }) => build === cut.build);
  if (record === undefined || record.state === "waiting" || record.state === "leased") return cut;
  if (record.state === "succeeded") {
    const message = `${cut.message}; the build succeeded, but the digest of its image is lost`;
    return new CbError("infrastructure", message, { hint: "build again", cause: cut });
  }
  const { kind, message, hint } = finalStateError(record.state, record.reason);
  return new CbError(kind, `${message} (${cut.message})`, { cause: cut, ...(hint === undefined ? {} : { hint }) });
}
