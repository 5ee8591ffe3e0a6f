/** Calls to the services of one cloud. Adds a token to each call and takes the service's address from the catalog. */
import type { Dispatcher } from "undici";
import { CbError } from "../../../core/errors.ts";
import type { JsonReply } from "../../../core/http-json.ts";
import { endpointOf, type ServiceType } from "../auth/catalog.ts";
import type { Cloud } from "../auth/cloud.ts";
import type { Token } from "../auth/token.ts";
import { TokenCache } from "../auth/token-cache.ts";
import { CALL_MS, connectionsTo, type HttpCall, send } from "./http.ts";

export interface ServiceCall extends Omit<HttpCall, "url" | "limitMs"> {
  readonly service: ServiceType;
  /** Appended to the endpoint's address; begins with a slash. */
  readonly path: string;
  /** The first group matches the part of the endpoint's address to use. Default: the whole address. */
  readonly root?: RegExp;
  /** Default: `callMs` of the session. */
  readonly limitMs?: number;
}

export interface SessionOptions {
  /** Limit for one request. */
  readonly callMs?: number;
  /** Monotonic clock; default: the process's own. */
  readonly nowMs?: () => number;
  readonly onCall?: OnCall | undefined;
}

/** Called at the end of each call to a service of the cloud, with the reply's status; undefined when there was none. */
export type OnCall = (service: ServiceType | "identity", status: number | undefined) => void;

export class CloudSession {
  readonly cloud: Cloud;
  readonly #connections: Dispatcher;
  readonly #tokens: TokenCache;
  readonly #callMs: number;
  readonly #onCall: OnCall | undefined;

  constructor(cloud: Cloud, { callMs = CALL_MS, nowMs = () => performance.now(), onCall }: SessionOptions = {}) {
    this.cloud = cloud;
    this.#callMs = callMs;
    this.#connections = connectionsTo(cloud);
    this.#onCall = onCall;
    const onLogin = (status: number | undefined): void => onCall?.("identity", status);
    this.#tokens = new TokenCache(cloud, { connections: this.#connections, callMs, nowMs, onLogin });
  }

  /** Resolves with the reply, unless its status is 401. Throws NoReplyError; CbError "config" for a wrong login or catalog. */
  async call(call: ServiceCall): Promise<JsonReply> {
    const first = await this.#tokens.token(call.signal);
    const reply = await this.#send(call, first);
    if (reply.status !== 401) return reply;
    // The service checks the token before it acts, so any call, a create too, can be repeated.
    this.#tokens.forget(first);
    const retried = await this.#send(call, await this.#tokens.token(call.signal));
    if (retried.status !== 401) return retried;
    const message = `${call.service} refuses a token that Keystone has just issued`;
    throw new CbError("infrastructure", `${this.cloud.from}: ${message}`);
  }

  async projectId(signal: AbortSignal): Promise<string> {
    return (await this.#tokens.token(signal)).projectId;
  }

  #send({ service, path, root, headers, ...call }: ServiceCall, { value, catalog }: Token): Promise<JsonReply> {
    const endpoint = endpointOf(catalog, service, this.cloud);
    const url = `${root?.exec(endpoint)?.[1] ?? endpoint}${path}`;
    const signed = { ...headers, "x-auth-token": value };
    const onDone = (status: number | undefined): void => this.#onCall?.(service, status);
    return send(this.#connections, { limitMs: this.#callMs, ...call, url, headers: signed, onDone });
  }
}
