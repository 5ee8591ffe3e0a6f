/** A token that is always good: asked for when it is needed first, and again before its end. */
import type { Dispatcher } from "undici";
import { CbError } from "../../../core/errors.ts";
import { NoReplyError, send } from "../api/http.ts";
import type { Cloud } from "./cloud.ts";
import { type Token, tokenIn } from "./token.ts";

/** Renewed this long before its end: time for a Keystone that is away to come back. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** Of a token that does not live much longer than that, this part is used. */
const USED_PART = 0.8;
/** Between two tries to renew a token that is still good: each may take as long as a call. */
const TRY_AGAIN_MS = 30_000;

interface Held {
  readonly token: Token;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

export interface TokenCacheOptions {
  readonly connections: Dispatcher;
  /** What a login may take. */
  readonly callMs: number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

export class TokenCache {
  readonly #cloud: Cloud;
  readonly #options: TokenCacheOptions;
  #login: Promise<Token> | undefined;
  #held: Held | undefined;

  constructor(cloud: Cloud, options: TokenCacheOptions) {
    this.#cloud = cloud;
    this.#options = options;
  }

  /** One login serves all who need it at a time, and none of them ends it for the others. Throws CbError; see tokenIn. */
  async token(signal: AbortSignal): Promise<Token> {
    signal.throwIfAborted();
    const held = this.#held;
    if (held !== undefined && this.#options.nowMs() < held.renewAtMs) return held.token;
    this.#login ??= this.#logIn(held).finally(() => {
      this.#login = undefined;
    });
    return await until(this.#login, signal);
  }

  /** A service does not take it. */
  forget(token: Token): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  /** A Keystone that is away is no trouble while the token that is `held` is good. */
  async #logIn(held: Held | undefined): Promise<Token> {
    const { nowMs } = this.#options;
    const startedMs = nowMs();
    try {
      const token = await this.#ask();
      const usedMs = Math.max(token.lifeMs - RENEW_BEFORE_MS, token.lifeMs * USED_PART);
      this.#held = { token, renewAtMs: startedMs + usedMs, endsAtMs: startedMs + token.lifeMs };
      return token;
    } catch (error) {
      const isAway = error instanceof CbError && error.kind === "infrastructure";
      if (!isAway || held === undefined || held !== this.#held || nowMs() >= held.endsAtMs) throw error;
      this.#held = { ...held, renewAtMs: nowMs() + TRY_AGAIN_MS };
      return held.token;
    }
  }

  async #ask(): Promise<Token> {
    const { connections, callMs } = this.#options;
    const { authUrl, login } = this.#cloud;
    const { signal } = new AbortController();
    const call = {
      method: "POST",
      url: `${authUrl}/auth/tokens`,
      body: login.body(),
      signal,
      limitMs: callMs,
    } as const;
    try {
      return tokenIn(await send(connections, call), this.#cloud);
    } catch (error) {
      // Whatever the token was for has not been asked yet.
      if (error instanceof NoReplyError) throw new NoReplyError(`Keystone: ${error.message}`, false, error.cause);
      throw error;
    }
  }
}

async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = new AbortController();
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { signal: ended.signal });
      }),
    ]);
  } finally {
    ended.abort();
  }
}
