/** A user's connection to the queue. */
import type { NatsConnection } from "nats";
import { type ClientConfig, clientConfig } from "../config/client-config.ts";
import { folders } from "../config/folders.ts";
import { systemClock } from "../core/clock.ts";
import { CbError } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";
import { type ConnectOptions, connectNats, type NatsAddress } from "../nats/connection.ts";
import { readCreds, refuseOtherAccount } from "../nats/credentials/creds.ts";
import { type CallOptions, call } from "../nats/rpc/client.ts";
import { encode } from "../protocol/codec.ts";
import type { RequestDefinition } from "../protocol/requests.ts";
import type { Steps } from "./terminal.ts";

/**
 * How long connecting and the first question may take together: a user reads within five seconds that nobody answers, and
 * the rest is for the program to start and to end.
 */
const HEARD_MS = 4_500;

/** What is left for the first question however long the connection took: a queue on the same site answers within a few ms. */
const FIRST_REPLY_MIN_MS = 500;

/** How long the queue may take to answer later questions: it was there a moment ago, and may be busy. */
const REPLY_MS = 5_000;

/** Of a question that is asked again: a person who waits reads often enough how things stand. */
const AGAIN_REPLY_MS = 2_000;

/** Between the starts of two such questions, where NATS says at once that nobody listens. */
const ASK_AGAIN_MS = 1_000;

/** How long a queue may be away before a call fails: one that is started again answers after 1 to 6 s (a loaded machine). */
const RESTART_MS = 20_000;

export interface RequestRetry {
  /** Ends the asking; absent: nothing does. */
  readonly signal?: AbortSignal;
  /** Told of every question that nobody answered, and that will be asked again. */
  readonly onSilent: (why: string) => void;
}

interface Persistence extends RequestRetry {
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

interface SessionParts {
  readonly nc: NatsConnection;
  readonly address: NatsAddress;
  readonly user: string;
  readonly origin: string;
  readonly heardByMs: number;
}

export class Session {
  readonly nc: NatsConnection;
  /** Where NATS is, for the build's own connection. */
  readonly address: NatsAddress;
  readonly user: string;
  /** For messages: where the address and the credential were configured. */
  readonly origin: string;
  /** By performance.now(): when the first question must have been answered. */
  readonly #heardByMs: number;
  #asked = false;

  private constructor({ nc, address, user, origin, heardByMs }: SessionParts) {
    this.nc = nc;
    this.address = address;
    this.user = user;
    this.origin = origin;
    this.#heardByMs = heardByMs;
  }

  /**
   * Finds the settings and connects, as the step `Connecting to BuilderQueue`. Throws CbError "config" for what is
   * missing, "unreachable" and "denied" as connectBus does, naming where the address was configured.
   */
  static async open(program: string, flags: ConnectFlags, steps: Steps): Promise<Session> {
    const heardByMs = performance.now() + HEARD_MS;
    steps.begin("Connecting to BuilderQueue");
    const config = readConfig(flags);
    const creds = await readCreds(config.creds, Date.now());
    if (config.account !== undefined) refuseOtherAccount(creds, { path: config.creds, account: config.account });
    const address = addressOf(config);
    const origin = `the address comes from ${config.urlFrom}, the credential is ${config.creds}`;
    const nc = await connect({ address, credential: creds, name: `${program} ${creds.name}` }, origin);
    steps.done(`Connected to queue: ${hostOf(config.url)}`);
    return new Session({ nc, address, user: creds.name, origin, heardByMs });
  }

  /**
   * Asks the queue in this user's name; `timeoutMs` where it has to ask others first, though not of a session's first question,
   * which finds out whether anybody is there. Errors as `call` has them; "unreachable" names the address and its origin.
   */
  async ask<Q, R>(request: RequestDefinition<Q, R>, question: Q, timeoutMs = REPLY_MS): Promise<R> {
    try {
      return await this.#ask(request, question, timeoutMs);
    } catch (error) {
      throw this.#located(error);
    }
  }

  /**
   * The same through outages of NATS and the queue: asks again until there is an answer, and says so to `onSilent`. Throws
   * what the queue refuses, and what `signal` aborts with.
   */
  askUntilAnswered<Q, R>(request: RequestDefinition<Q, R>, question: Q, patience: RequestRetry): Promise<R> {
    return this.#askAgain(request, question, { ...patience, passing: ["unreachable", "infrastructure"] });
  }

  /**
   * The same for as long as a queue takes that was killed and is started again. The question must be one that may be
   * asked twice. Throws what the queue refuses, "unreachable" when nobody answered, and what `signal` aborts with.
   */
  askThroughRestart<Q, R>(
    request: RequestDefinition<Q, R>,
    question: Q,
    { limitMs = RESTART_MS, ...patience }: RequestRetry & { readonly limitMs?: number },
  ): Promise<R> {
    const untilMs = performance.now() + limitMs;
    return this.#askAgain(request, question, { ...patience, passing: ["unreachable"], untilMs });
  }

  /** The same without waiting for what the queue says to it; it is sent before the session closes. */
  tell<Q, R>(request: RequestDefinition<Q, R>, question: Q): void {
    this.nc.publish(request.subject(this.user), encode(question));
  }

  async #askAgain<Q, R>(request: RequestDefinition<Q, R>, question: Q, persistence: Persistence): Promise<R> {
    const { signal, onSilent, passing, untilMs = Number.POSITIVE_INFINITY } = persistence;
    for (;;) {
      signal?.throwIfAborted();
      const askedMs = performance.now();
      try {
        return await this.#ask(request, question, AGAIN_REPLY_MS);
      } catch (error) {
        if (!(error instanceof CbError) || !passing.includes(error.kind)) throw error;
        if (performance.now() + ASK_AGAIN_MS > untilMs) throw this.#located(error);
        onSilent(`${error.message}; asking again`);
        await systemClock.sleep(Math.max(0, askedMs + ASK_AGAIN_MS - performance.now()), signal);
      }
    }
  }

  #ask<Q, R>(request: RequestDefinition<Q, R>, question: CallOptions<Q>["request"], timeoutMs: number): Promise<R> {
    const leftMs = Math.max(FIRST_REPLY_MIN_MS, this.#heardByMs - performance.now());
    const limitMs = this.#asked ? timeoutMs : Math.min(timeoutMs, leftMs);
    this.#asked = true;
    return call(request, { nc: this.nc, principal: this.user, request: question, timeoutMs: limitMs });
  }

  #located(error: unknown): unknown {
    if (!(error instanceof CbError) || error.kind !== "unreachable") return error;
    return withOrigin(error, { message: `${error.message} (NATS at ${this.address.url})`, origin: this.origin });
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

async function connect(options: ConnectOptions, origin: string): Promise<NatsConnection> {
  try {
    return await connectNats(options);
  } catch (error) {
    throw error instanceof CbError ? withOrigin(error, { message: error.message, origin }) : error;
  }
}

function withOrigin({ kind, hint, cause }: CbError, { message, origin }: { message: string; origin: string }): CbError {
  return new CbError(kind, message, { hint: hint === undefined ? origin : `${hint}; ${origin}`, cause });
}

const addressOf = ({ url, servername, ca }: ClientConfig): NatsAddress => ({
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
