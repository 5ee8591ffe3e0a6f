/** A user's connection to the queue. */
import type { NatsConnection } from "nats";
import { type ClientConfig, clientConfig, ownPlaces } from "../config/client-config.ts";
import { systemClock } from "../core/clock.ts";
import { CbError } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";
import { type ConnectOptions, connectNats, type NatsAddress } from "../nats/connection.ts";
import { refuseOtherAccount } from "../nats/credentials/creds.ts";
import { call } from "../nats/rpc/client.ts";
import { encode } from "../protocol/codec.ts";
import type { RequestDefinition } from "../protocol/requests.ts";
import { readCredential, warnOf } from "./read-credential.ts";
import type { StoredCredential } from "./renewed-credential.ts";
import type { Steps } from "./terminal.ts";

/**
 * Time limit for the connection and the first reply together. A user must see within five seconds that the queue does not
 * answer; the rest is for the start and the end of the program.
 */
const FIRST_REPLY_MS = 4_500;

/** Minimum for the first reply, however long the connection took. A queue on the same site answers within a few ms. */
const FIRST_REPLY_MIN_MS = 500;

/** Time limit for later replies. The queue has answered before, but may be busy. */
const REPLY_MS = 5_000;

/** Time limit for each reply of a repeated request, so that a waiting user sees the state every two seconds. */
const RETRY_REPLY_MS = 2_000;

/** Minimum time between two such requests. NATS reports at once that there is no responder. */
const RETRY_INTERVAL_MS = 1_000;

/** How long a queue may be absent before a request fails. A restarted queue answers after 1 to 6 s (on a loaded machine). */
const RESTART_MS = 20_000;

/** How long `close` waits for published messages to be sent. NATS may have become unreachable. */
const FLUSH_MS = 1_000;

const CONNECTING = "Connecting to BuilderQueue";

export interface RetryOptions {
  /** Ends the repetition. */
  readonly signal?: AbortSignal;
  /** Called for every request without a reply, before it is repeated. */
  readonly onNoReply: (message: string) => void;
}

interface RetryPolicy extends RetryOptions {
  /** The errors after which the request is repeated. */
  readonly retryable: readonly ErrorKind[];
  /** Deadline by performance.now(). */
  readonly deadlineMs?: number;
}

interface SessionParts {
  readonly nc: NatsConnection;
  readonly credential: StoredCredential;
  readonly address: NatsAddress;
  readonly user: string;
  readonly origin: string;
  readonly sealingKey: string | undefined;
  readonly firstReplyDeadlineMs: number;
}

export class Session {
  readonly nc: NatsConnection;
  readonly credential: StoredCredential;
  /** The NATS address, for the build's own connection. */
  readonly address: NatsAddress;
  readonly user: string;
  /** For messages: where the address and the credential were configured. */
  readonly origin: string;
  /** The installation's key for secrets, if the settings name it. */
  readonly sealingKey: string | undefined;
  /** By performance.now(). */
  readonly #firstReplyDeadlineMs: number;
  #hasRequested = false;

  private constructor({ nc, credential, address, user, origin, sealingKey, firstReplyDeadlineMs }: SessionParts) {
    this.nc = nc;
    this.credential = credential;
    this.address = address;
    this.user = user;
    this.origin = origin;
    this.sealingKey = sealingKey;
    this.#firstReplyDeadlineMs = firstReplyDeadlineMs;
  }

  /**
   * Reads the settings and connects, shown as the step `Connecting to BuilderQueue`. Throws CbError "config" for a missing
   * setting, "unreachable" and "denied" as connectNats does, with the place where the address was configured. `warn` gets a
   * sentence when other users can read the credential; by default it is printed on standard error.
   */
  static async open(program: string, steps: Steps, warn = warnOf(program)): Promise<Session> {
    const firstReplyDeadlineMs = performance.now() + FIRST_REPLY_MS;
    steps.begin(CONNECTING);
    const config = clientConfig(ownPlaces());
    const creds = await readCredential(config.creds, (text) => {
      // On a line of its own.
      steps.close();
      warn(text);
      steps.begin(CONNECTING);
    });
    if (config.account !== undefined) refuseOtherAccount(creds, { path: config.creds, account: config.account });
    const address = addressOf(config);
    const origin = `the address comes from ${config.urlFrom}, the credential is ${config.creds}`;
    const nc = await connect({ address, credential: creds, name: `${program} ${creds.name}` }, origin);
    steps.complete(`Connected to queue: ${hostOf(config.url)}`);
    const { sealingKey } = config;
    const credential = { path: config.creds, jwt: creds.jwt, key: creds.key };
    return new Session({ nc, credential, address, user: creds.name, origin, sealingKey, firstReplyDeadlineMs });
  }

  /**
   * Sends a request as this user and returns the queue's reply. A longer `timeoutMs` is for requests that make the queue
   * query other servers; it does not apply to a session's first request, which finds out whether there is a queue. Errors as
   * `call`; "unreachable" names the address and where it was configured.
   */
  async request<Request, Reply>(
    definition: RequestDefinition<Request, Reply>,
    request: Request,
    timeoutMs = REPLY_MS,
  ): Promise<Reply> {
    try {
      return await this.#requestOnce(definition, request, timeoutMs);
    } catch (error) {
      throw this.#withAddress(error);
    }
  }

  /**
   * Repeats the request during outages of NATS and the queue until there is a reply. The request must be idempotent. Throws
   * the queue's refusal, and the reason of `signal`.
   */
  requestUntilReply<Request, Reply>(
    definition: RequestDefinition<Request, Reply>,
    request: Request,
    options: RetryOptions,
  ): Promise<Reply> {
    const policy: RetryPolicy = { ...options, retryable: ["unreachable", "infrastructure"] };
    return this.#requestRepeatedly(definition, request, policy);
  }

  /**
   * Repeats the request for `limitMs`, by default as long as a killed queue takes to restart. The request must be idempotent.
   * Throws the queue's refusal, "unreachable" when there was no reply, and the reason of `signal`.
   */
  requestThroughRestart<Request, Reply>(
    definition: RequestDefinition<Request, Reply>,
    request: Request,
    { limitMs = RESTART_MS, ...options }: RetryOptions & { readonly limitMs?: number },
  ): Promise<Reply> {
    const deadlineMs = performance.now() + limitMs;
    return this.#requestRepeatedly(definition, request, { ...options, retryable: ["unreachable"], deadlineMs });
  }

  /** Sends a request without waiting for the reply. `close` waits until it is sent. */
  publish<Request, Reply>(definition: RequestDefinition<Request, Reply>, request: Request): void {
    this.nc.publish(definition.subject(this.user), encode(request));
  }

  async #requestRepeatedly<Request, Reply>(
    definition: RequestDefinition<Request, Reply>,
    request: Request,
    { signal, onNoReply, retryable, deadlineMs = Number.POSITIVE_INFINITY }: RetryPolicy,
  ): Promise<Reply> {
    for (;;) {
      signal?.throwIfAborted();
      const sentMs = performance.now();
      try {
        return await this.#requestOnce(definition, request, RETRY_REPLY_MS);
      } catch (error) {
        if (!(error instanceof CbError) || !retryable.includes(error.kind)) throw error;
        if (performance.now() + RETRY_INTERVAL_MS > deadlineMs) throw this.#withAddress(error);
        onNoReply(`${error.message}; retrying`);
        await systemClock.sleep(Math.max(0, sentMs + RETRY_INTERVAL_MS - performance.now()), signal);
      }
    }
  }

  #requestOnce<Request, Reply>(
    definition: RequestDefinition<Request, Reply>,
    request: Request,
    timeoutMs: number,
  ): Promise<Reply> {
    const leftMs = Math.max(FIRST_REPLY_MIN_MS, this.#firstReplyDeadlineMs - performance.now());
    const limitMs = this.#hasRequested ? timeoutMs : Math.min(timeoutMs, leftMs);
    this.#hasRequested = true;
    return call(definition, { nc: this.nc, principal: this.user, request, timeoutMs: limitMs });
  }

  #withAddress(error: unknown): unknown {
    if (!(error instanceof CbError) || error.kind !== "unreachable") return error;
    return withOrigin(error, { message: `${error.message} (NATS at ${this.address.url})`, origin: this.origin });
  }

  async close(): Promise<void> {
    await Promise.race([this.nc.flush().catch(() => undefined), systemClock.sleep(FLUSH_MS)]);
    await this.nc.close();
  }
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

/** The address of NATS in the settings. */
export const addressOf = ({ url, servername, ca }: ClientConfig): NatsAddress => ({
  url,
  ...(servername === undefined ? {} : { servername }),
  ...(ca === undefined ? {} : { ca }),
});

/** The host name without port; of several addresses the first. The original container-builder prints it so. */
function hostOf(url: string): string {
  try {
    return new URL(url.split(",")[0] ?? url).hostname;
  } catch {
    return url;
  }
}
