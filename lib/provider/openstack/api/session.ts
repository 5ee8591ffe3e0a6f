/** Calls to the services of one cloud, each with a token, at the address that the catalog gives. */
import type { Dispatcher } from "undici";
import { CbError } from "../../../core/errors.ts";
import type { Cloud } from "../auth/cloud.ts";
import { endpointOf, type ServiceType, type Token } from "../auth/token.ts";
import { TokenCache } from "../auth/token-cache.ts";
import { CALL_MS, connectionsTo, type HttpCall, type HttpReply, send } from "./http.ts";

export interface ServiceCall extends Omit<HttpCall, "url" | "limitMs"> {
  readonly service: ServiceType;
  /** After the endpoint's address, with a slash first. */
  readonly path: string;
  /** Its first group is the part of the endpoint's address that is wanted; default the whole. */
  readonly root?: RegExp;
  /** Default: that of the session. */
  readonly limitMs?: number;
}

export interface SessionOptions {
  /** What one request may take. */
  readonly callMs?: number;
  /** Milliseconds that never go back; the process's own by default. */
  readonly nowMs?: () => number;
}

export class CloudSession {
  readonly cloud: Cloud;
  readonly #connections: Dispatcher;
  readonly #keeper: TokenCache;
  readonly #callMs: number;

  constructor(cloud: Cloud, { callMs = CALL_MS, nowMs = () => performance.now() }: SessionOptions = {}) {
    this.cloud = cloud;
    this.#callMs = callMs;
    this.#connections = connectionsTo(cloud);
    this.#keeper = new TokenCache(cloud, { connections: this.#connections, callMs, nowMs });
  }

  /** Any status is an answer but 401. Throws NoAnswerError, CbError "config" where the login or the catalog is wrong. */
  async call(call: ServiceCall): Promise<HttpReply> {
    const first = await this.#keeper.token(call.signal);
    const answer = await this.#send(call, first);
    if (answer.status !== 401) return answer;
    // Refused before anything was done, so that the call can be repeated, whatever it is.
    this.#keeper.forget(first);
    const again = await this.#send(call, await this.#keeper.token(call.signal));
    if (again.status !== 401) return again;
    const what = `${call.service} refuses a token that Keystone has just given`;
    throw new CbError("infrastructure", `${this.cloud.from}: ${what}`);
  }

  async projectId(signal: AbortSignal): Promise<string> {
    return (await this.#keeper.token(signal)).projectId;
  }

  #send({ service, path, root, headers, ...call }: ServiceCall, { value, catalog }: Token): Promise<HttpReply> {
    const endpoint = endpointOf(catalog, service, this.cloud);
    const url = `${root?.exec(endpoint)?.[1] ?? endpoint}${path}`;
    const signed = { ...headers, "x-auth-token": value };
    return send(this.#connections, { limitMs: this.#callMs, ...call, url, headers: signed });
  }
}
