/**
 * A build's own connection, with a credential for this build alone. The build exists by then and goes on unseen, so that a
 * NATS that cannot be reached is waited for, as it is when it goes away later.
 */
import type { NatsConnection } from "nats";
import { type Credential, connectWithRetry } from "../../nats/connection.ts";
import type { Session } from "../session.ts";
import type { Steps } from "../terminal.ts";
import { waitingNote } from "../watch/waiting-note.ts";

export interface BuildConnection {
  readonly session: Session;
  readonly steps: Steps;
  readonly build: string;
  readonly credential: Credential;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** Throws CbError "denied" as connectBus does, and what `signal` aborts with. */
export async function connectToBuild({
  session,
  steps,
  build,
  credential,
  signal,
}: BuildConnection): Promise<NatsConnection> {
  const note = waitingNote(steps);
  const sinceMs = performance.now();
  // Not stubborn, as a daemon is: a user whose credential was revoked would never learn of it.
  const options = { address: session.address, credential, name: `build ${build}`, stubborn: false };
  const onFailure = () => note(performance.now() - sinceMs);
  const nc = await connectWithRetry(options, { signal, onFailure });
  note(0);
  return nc;
}
