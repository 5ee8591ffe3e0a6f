/** An operator's connection to the queue, in the account CORE. */
import type { NatsConnection } from "nats";
import { type AdminConfig, adminConfig } from "../../config/admin-config.ts";
import { folders } from "../../config/folders.ts";
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import { connectNats, type NatsAddress } from "../../nats/connection.ts";
import { readCreds } from "../../nats/credentials/creds.ts";
import { call } from "../../nats/rpc/client.ts";
import { isQueueReachable } from "../../nats/rpc/server.ts";
import type { RequestDefinition } from "../../protocol/requests.ts";

/** How long connecting and the first sign of the queue may take together: an operator reads within five seconds that nobody answers. */
const HEARD_MS = 4_500;
/** What is left for that sign however long the connection took. */
const HEARD_MIN_MS = 500;

/** A look that is under way ends first, then the provider is listed, half a minute each, and then consoles are read for 20 s. */
const REPLY_MS = 90_000;

export class AdminSession {
  readonly config: AdminConfig;
  readonly address: NatsAddress;
  readonly #nc: NatsConnection;
  readonly #operator: string;

  /**
   * Throws CbError "config" for settings that are missing or wrong, "denied" as connectBus does, and "unreachable" when NATS or
   * the queue does not answer, within five seconds.
   */
  static async open(configFile: string | undefined): Promise<AdminSession> {
    const heardByMs = performance.now() + HEARD_MS;
    const config = adminConfig(configFile, folders());
    const { url, servername, ca } = config;
    const creds = await readCreds(config.creds, systemClock.nowMs());
    const address: NatsAddress = {
      url,
      ...(servername === undefined ? {} : { servername }),
      ...(ca === undefined ? {} : { ca }),
    };
    const nc = await connectNats({ address, credential: creds, name: `cb-admin ${creds.name}` }).catch((error) => {
      throw located(error, config);
    });
    const session = new AdminSession(config, address, { nc, operator: creds.name });
    if (await isQueueReachable(nc, Math.max(HEARD_MIN_MS, heardByMs - performance.now()))) return session;
    await session.close();
    throw located(
      new CbError("unreachable", `the queue does not answer (NATS at ${url})`, { hint: "see whether cb-queue runs" }),
      config,
    );
  }

  private constructor(config: AdminConfig, address: NatsAddress, parts: { nc: NatsConnection; operator: string }) {
    this.config = config;
    this.address = address;
    this.#nc = parts.nc;
    this.#operator = parts.operator;
  }

  /** Errors as `call` has them. */
  ask<Q, R>(request: RequestDefinition<Q, R>, question: Q): Promise<R> {
    return call(request, { nc: this.#nc, principal: this.#operator, request: question, timeoutMs: REPLY_MS });
  }

  close(): Promise<void> {
    return this.#nc.close();
  }
}

function located(error: unknown, { from }: AdminConfig): unknown {
  if (!(error instanceof CbError)) return error;
  const { kind, message, hint, cause } = error;
  const origin = `the settings are those of ${from}`;
  return new CbError(kind, message, { hint: hint === undefined ? origin : `${hint}; ${origin}`, cause });
}
