/**
 * A separate connection with a credential for one build. The build already exists and goes on without its client, so this waits
 * for an unreachable NATS, as a client does that loses NATS later.
 */
import type { NatsConnection } from "nats";
import { type ConnectOptions, type Credential, connectWithRetry } from "../../nats/connection.ts";
import type { Session } from "../session.ts";
import type { Steps } from "../terminal.ts";
import { outageNotice } from "../watch/outage-notice.ts";

export interface BuildConnectionOptions {
  readonly session: Session;
  readonly steps: Steps;
  readonly build: string;
  readonly credential: Credential;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** Throws CbError "denied" as connectNats does, and the reason of `signal`. */
export async function connectToBuild(options: BuildConnectionOptions): Promise<NatsConnection> {
  const { session, steps, build, credential, signal } = options;
  const notice = outageNotice(steps);
  const sinceMs = performance.now();
  // Unlike a daemon, a client must fail on a refused credential: its user may have been revoked.
  const connect: ConnectOptions = {
    address: session.address,
    credential,
    name: `build ${build}`,
    ignoreAuthErrors: false,
  };
  const onFailure = () => notice(performance.now() - sinceMs);
  const nc = await connectWithRetry(connect, { signal, onFailure });
  notice(0);
  return nc;
}
