/** A user's connection to the queue. */
import type { NatsConnection } from "nats";
import { type Creds, readCreds, refuseForeign } from "../auth/creds.ts";
import { type CallOptions, call } from "../bus/call.ts";
import { encode } from "../bus/codec.ts";
import { type BusAddress, connectBus } from "../bus/connect.ts";
import type { Request } from "../bus/registry.ts";
import { systemClock } from "../clock.ts";
import { type ClientConfig, clientConfig } from "../config/client-config.ts";
import { folders } from "../config/folders.ts";
import { CbError, type ErrorKind } from "../errors.ts";
import type { Steps } from "./terminal.ts";

/** How long the queue may take to answer: with the connection's four seconds a user knows within ten. */
const REPLY_MS = 5_000;

/** Of a question that is asked again: with the connection, a user reads within five seconds that nobody answers. */
const AGAIN_REPLY_MS = 2_000;

/** Between the starts of two such questions, where NATS says at once that nobody listens. */
const ASK_AGAIN_MS = 1_000;

/** How long a queue may be away before a call fails: one that is started again answers after 1 to 6 s (a loaded machine). */
const RESTART_MS = 20_000;

export interface Patience {
  /** Ends the asking; absent: nothing does. */
  readonly signal?: AbortSignal;
  /** Told of every question that nobody answered, and that will be asked again. */
  readonly onSilent: (why: string) => void;
}

interface Persistence extends Patience {
  /** What another try may mend. */
  readonly passing: readonly ErrorKind[];
  /** By performance.now(). */
  readonly untilMs?: number;
}

/** What was said last goes out at once, unless NATS has just gone away. */
const FLUSH_MS = 1_000;

export interface ConnectFlags {
  readonly url?: string;
  readonly creds?: string;
}

export class Session {
  readonly nc: NatsConnection;
  /** Where NATS is, for the build's own connection. */
  readonly address: BusAddress;
  readonly user: string;

  private constructor(nc: NatsConnection, address: BusAddress, user: string) {
    this.nc = nc;
    this.address = address;
    this.user = user;
  }

  /**
   * Finds the settings and connects, as the step `Connecting to BuilderQueue`. Throws CbError "config" for what is
   * missing, "unreachable" and "denied" as connectBus does, naming where the address was configured.
   */
  static async open(program: string, flags: ConnectFlags, steps: Steps): Promise<Session> {
    steps.begin("Connecting to BuilderQueue");
    const config = readConfig(flags);
    const creds = await readCreds(config.creds, Date.now());
    if (config.account !== undefined) refuseForeign(creds, { path: config.creds, account: config.account });
    const address = addressOf(config);
    const nc = await connect(address, creds, program, config);
    steps.done(`Connected to queue: ${hostOf(config.url)}`);
    return new Session(nc, address, creds.name);
  }

  /** Asks the queue in this user's name; `timeoutMs` where it has to ask others first. Errors as `call` has them. */
  ask<Q, R>(request: Request<Q, R>, question: CallOptions<Q>["question"], timeoutMs = REPLY_MS): Promise<R> {
    return call(request, { nc: this.nc, asker: this.user, question, timeoutMs });
  }

  /**
   * The same through outages of NATS and the queue: asks again until there is an answer, and says so to `onSilent`. Throws
   * what the queue refuses, and what `signal` aborts with.
   */
  askUntilAnswered<Q, R>(request: Request<Q, R>, question: Q, patience: Patience): Promise<R> {
    return this.#askAgain(request, question, { ...patience, passing: ["unreachable", "infrastructure"] });
  }

  /**
   * The same for as long as a queue takes that was killed and is started again. The question must be one that may be
   * asked twice. Throws what the queue refuses, "unreachable" when nobody answered, and what `signal` aborts with.
   */
  askThroughRestart<Q, R>(
    request: Request<Q, R>,
    question: Q,
    { limitMs = RESTART_MS, ...patience }: Patience & { readonly limitMs?: number },
  ): Promise<R> {
    const untilMs = performance.now() + limitMs;
    return this.#askAgain(request, question, { ...patience, passing: ["unreachable"], untilMs });
  }

  /** The same without waiting for what the queue says to it; it is sent before the session closes. */
  tell<Q, R>(request: Request<Q, R>, question: Q): void {
    this.nc.publish(request.subject(this.user), encode(question));
  }

  async #askAgain<Q, R>(request: Request<Q, R>, question: Q, persistence: Persistence): Promise<R> {
    const { signal, onSilent, passing, untilMs = Number.POSITIVE_INFINITY } = persistence;
    for (;;) {
      signal?.throwIfAborted();
      const askedMs = performance.now();
      try {
        return await this.ask(request, question, AGAIN_REPLY_MS);
      } catch (error) {
        if (!(error instanceof CbError) || !passing.includes(error.kind)) throw error;
        if (performance.now() + ASK_AGAIN_MS > untilMs) throw error;
        onSilent(`${error.message}; asking again`);
        await systemClock.sleep(Math.max(0, askedMs + ASK_AGAIN_MS - performance.now()), signal);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.race([this.nc.flush().catch(() => undefined), systemClock.sleep(FLUSH_MS)]);
    await this.nc.close();
  }
}

function readConfig(flags: ConnectFlags): ClientConfig {
  const { config, siteConfig, local } = folders();
  return clientConfig({ flags, env: process.env, folders: [config, ...siteConfig], localFolder: local });
}

async function connect(
  address: BusAddress,
  creds: Creds,
  program: string,
  config: ClientConfig,
): Promise<NatsConnection> {
  try {
    return await connectBus({ address, credential: creds, name: `${program} ${creds.name}` });
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    const hint = `the address comes from ${config.urlFrom}, the credential is ${config.creds}`;
    throw new CbError(error.kind, error.message, {
      hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
      cause: error.cause,
    });
  }
}

const addressOf = ({ url, servername, ca }: ClientConfig): BusAddress => ({
  url,
  ...(servername === undefined ? {} : { servername }),
  ...(ca === undefined ? {} : { ca }),
});

/** The host alone, as the original shows it; the first one of several. */
function hostOf(url: string): string {
  try {
    return new URL(url.split(",")[0] ?? url).hostname;
  } catch {
    return url;
  }
}
