/** A login that lasts: the token is renewed before its end, and once when a service takes it for invalid. */
import type { Dispatcher } from "undici";
import { CbError } from "../../errors.ts";
import type { Cloud } from "./cloud.ts";
import { type Answer, CALL_MS, type Call, connectionsTo, NoAnswerError, send } from "./http.ts";
import { endpointOf, type Service, type Token, tokenIn } from "./token.ts";

export interface ServiceCall extends Omit<Call, "url" | "limitMs"> {
  readonly service: Service;
  /** After the endpoint's address, with a slash first. */
  readonly path: string;
  /** Its first group is the part of the endpoint's address that is wanted; default the whole. */
  readonly root?: RegExp;
  /** Default: that of the session. */
  readonly limitMs?: number;
}

/** Renewed this long before its end: longer than a call that was started with it may take. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** Of a token that lives for less than that, this part is used. */
const USED_PART = 0.8;

interface Held {
  readonly token: Token;
  readonly renewAtMs: number;
}

export class Session {
  readonly cloud: Cloud;
  readonly #connections: Dispatcher;
  readonly #callMs: number;
  #login: Promise<Token> | undefined;
  #held: Held | undefined;

  /** `callMs`: what one request may take. */
  constructor(cloud: Cloud, callMs = CALL_MS) {
    this.cloud = cloud;
    this.#callMs = callMs;
    this.#connections = connectionsTo(cloud);
  }

  /** Any status is an answer but 401, which is CbError "config" when a new token is refused too. Throws NoAnswerError. */
  async call(call: ServiceCall): Promise<Answer> {
    const first = await this.#token(call.signal);
    const answer = await this.#send(call, first);
    if (answer.status !== 401) return answer;
    // Refused before anything was done, so that the call can be repeated, whatever it is.
    if (this.#held?.token === first) this.#held = undefined;
    const second = await this.#token(call.signal);
    const again = await this.#send(call, second);
    if (again.status !== 401) return again;
    throw new CbError(
      "infrastructure",
      `${this.cloud.from}: ${call.service} refuses a token that Keystone has just given`,
    );
  }

  /** Throws CbError "config" where the catalog has none; see endpointOf. */
  async endpoint(service: Service, signal: AbortSignal): Promise<string> {
    const { catalog } = await this.#token(signal);
    return endpointOf(catalog, service, this.cloud);
  }

  async projectId(signal: AbortSignal): Promise<string> {
    return (await this.#token(signal)).projectId;
  }

  /** Calls under way fail. */
  async close(): Promise<void> {
    await this.#connections.destroy();
  }

  #send({ service, path, root, headers, ...call }: ServiceCall, { value, catalog }: Token): Promise<Answer> {
    const endpoint = endpointOf(catalog, service, this.cloud);
    const url = `${root?.exec(endpoint)?.[1] ?? endpoint}${path}`;
    return send(this.#connections, {
      limitMs: this.#callMs,
      ...call,
      url,
      headers: { ...headers, "x-auth-token": value },
    });
  }

  /** One login for all who need it at a time: none of them may end it for the others. */
  async #token(signal: AbortSignal): Promise<Token> {
    signal.throwIfAborted();
    if (this.#held !== undefined && performance.now() < this.#held.renewAtMs) return this.#held.token;
    this.#login ??= this.#logIn().finally(() => {
      this.#login = undefined;
    });
    return await until(this.#login, signal);
  }

  async #logIn(): Promise<Token> {
    const startedMs = performance.now();
    const { authUrl, login } = this.cloud;
    const { signal } = new AbortController();
    try {
      const call = {
        method: "POST",
        url: `${authUrl}/auth/tokens`,
        body: login.body(),
        signal,
        limitMs: this.#callMs,
      } as const;
      const token = tokenIn(await send(this.#connections, call), this.cloud);
      const usedMs = Math.max(token.lifeMs - RENEW_BEFORE_MS, token.lifeMs * USED_PART);
      this.#held = { token, renewAtMs: startedMs + usedMs };
      return token;
    } catch (error) {
      // Whatever was asked for has not been asked yet.
      if (error instanceof NoAnswerError) throw new NoAnswerError(`Keystone: ${error.message}`, false, error.cause);
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
