/** Keeps a valid token: logs in when the first one is needed, and again before the current one expires. */
import type { Dispatcher } from "undici";
import { unlessAborted } from "../../../core/abort.ts";
import { CbError } from "../../../core/errors.ts";
import { NoReplyError, send } from "../api/http.ts";
import type { Cloud } from "./cloud.ts";
import { type Token, tokenIn } from "./token.ts";

/** A token is renewed this long before it expires, which leaves time for Keystone to recover from an outage. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** A token with a lifetime of less than 25 minutes is used for this part of its lifetime instead. */
const USED_PART = 0.8;
/** Pause between two attempts to renew a token that is still valid. An attempt may take as long as a call. */
const RETRY_RENEWAL_MS = 30_000;

interface CachedToken {
  readonly token: Token;
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
}

export interface TokenCacheOptions {
  readonly connections: Dispatcher;
  /** Limit for one login. */
  readonly callMs: number;
  /** Monotonic clock. */
  readonly nowMs: () => number;
  /** Called at the end of each login, with the status of Keystone's reply; undefined when there was none. */
  readonly onLogin?: ((status: number | undefined) => void) | undefined;
}

export class TokenCache {
  readonly #cloud: Cloud;
  readonly #options: TokenCacheOptions;
  #login: Promise<Token> | undefined;
  #cached: CachedToken | undefined;

  constructor(cloud: Cloud, options: TokenCacheOptions) {
    this.#cloud = cloud;
    this.#options = options;
  }

  /** Concurrent callers wait for one login; `signal` ends the wait of its caller only. Throws CbError; see tokenIn. */
  async token(signal: AbortSignal): Promise<Token> {
    signal.throwIfAborted();
    const cached = this.#cached;
    if (cached !== undefined && this.#options.nowMs() < cached.renewAtMs) return cached.token;
    this.#login ??= this.#logIn(cached).finally(() => {
      this.#login = undefined;
    });
    return await unlessAborted(this.#login, signal);
  }

  /** Drops a token that a service refuses. */
  forget(token: Token): void {
    if (this.#cached?.token === token) this.#cached = undefined;
  }

  /** When Keystone cannot be reached, the cached token is used until it expires. */
  async #logIn(cached: CachedToken | undefined): Promise<Token> {
    const { nowMs } = this.#options;
    const startedMs = nowMs();
    try {
      const token = await this.#requestToken();
      const usedMs = Math.max(token.lifeMs - RENEW_BEFORE_MS, token.lifeMs * USED_PART);
      this.#cached = { token, renewAtMs: startedMs + usedMs, expiresAtMs: startedMs + token.lifeMs };
      return token;
    } catch (error) {
      const isUnavailable = error instanceof CbError && error.kind === "infrastructure";
      if (!isUnavailable || cached === undefined || cached !== this.#cached || nowMs() >= cached.expiresAtMs) {
        throw error;
      }
      this.#cached = { ...cached, renewAtMs: nowMs() + RETRY_RENEWAL_MS };
      return cached.token;
    }
  }

  async #requestToken(): Promise<Token> {
    const { connections, callMs, onLogin } = this.#options;
    const { authUrl, login } = this.#cloud;
    const { signal } = new AbortController();
    const call = {
      method: "POST",
      url: `${authUrl}/auth/tokens`,
      body: login.body(),
      signal,
      limitMs: callMs,
      onDone: onLogin,
    } as const;
    try {
      return tokenIn(await send(connections, call), this.#cloud);
    } catch (error) {
      // The call that needs the token has not been sent yet.
      if (error instanceof NoReplyError) throw new NoReplyError(`Keystone: ${error.message}`, false, error.cause);
      throw error;
    }
  }
}
