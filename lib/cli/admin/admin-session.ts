/** An operator's connection to the queue, in the account CORE. */
import type { NatsConnection } from "nats";
import { type AdminConfig, adminConfig } from "../../config/admin-config.ts";
import { folders } from "../../config/folders.ts";
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import { connectNats, type NatsAddress } from "../../nats/connection.ts";
import { call } from "../../nats/rpc/client.ts";
import { isQueueReachable } from "../../nats/rpc/server.ts";
import type { RequestDefinition } from "../../protocol/requests.ts";
import { readCredential, warnOf } from "../read-credential.ts";

/**
 * Time limit for the connection and the first reply of the queue together. An operator must see within five seconds that the
 * queue does not answer.
 */
const FIRST_REPLY_MS = 4_500;
/** Minimum for that reply, however long the connection took. */
const FIRST_REPLY_MIN_MS = 500;

/** The queue may finish a running pass (30 s), then list the provider (30 s), then read consoles (20 s); 10 s are spare. */
const REPLY_MS = 90_000;

/** A cluster of three has new leaders 4.4 to 7.2 s after the loss of a host (measured); this leaves as much for the queue's own limits. */
const FAILOVER_MS = 20_000;
const FAILOVER_RETRY_MS = 1_000;

export class AdminSession {
  readonly config: AdminConfig;
  readonly address: NatsAddress;
  readonly #nc: NatsConnection;
  readonly #operator: string;

  /**
   * Throws CbError "config" for settings that are missing or wrong, "denied" as connectNats does, and "unreachable" when NATS or
   * the queue does not answer within FIRST_REPLY_MS.
   */
  static async open(configFile: string | undefined): Promise<AdminSession> {
    const firstReplyDeadlineMs = performance.now() + FIRST_REPLY_MS;
    const config = adminConfig(configFile, folders());
    const creds = await readCredential(config.creds, warnOf("cb-admin"));
    const address = addressOf(config);
    const nc = await connectNats({ address, credential: creds, name: `cb-admin ${creds.name}` }).catch((error) => {
      throw withConfigFile(error, config);
    });
    const session = new AdminSession(config, address, { nc, operator: creds.name });
    if (await isQueueReachable(nc, Math.max(FIRST_REPLY_MIN_MS, firstReplyDeadlineMs - performance.now())))
      return session;
    await session.close();
    throw withConfigFile(
      new CbError("unreachable", `the queue does not answer (NATS at ${config.url})`, {
        hint: "check that cb-queue runs",
      }),
      config,
    );
  }

  private constructor(config: AdminConfig, address: NatsAddress, parts: { nc: NatsConnection; operator: string }) {
    this.config = config;
    this.address = address;
    this.#nc = parts.nc;
    this.#operator = parts.operator;
  }

  /**
   * Sends a request as this operator and returns the queue's reply. Repeats it for FAILOVER_MS while the queue cannot reach its records,
   * as after the loss of one of three NATS hosts. A change may have been made then, so a repeat of it has no other effect, or is
   * refused with the state that it found. Errors as `call`.
   */
  async request<Request, Reply>(definition: RequestDefinition<Request, Reply>, request: Request): Promise<Reply> {
    const deadlineMs = performance.now() + FAILOVER_MS;
    for (;;) {
      try {
        return await call(definition, { nc: this.#nc, principal: this.#operator, request, timeoutMs: REPLY_MS });
      } catch (error) {
        const mayRepeat = error instanceof CbError && error.kind === "unreachable";
        if (!mayRepeat || performance.now() + FAILOVER_RETRY_MS > deadlineMs) throw error;
        await systemClock.sleep(FAILOVER_RETRY_MS);
      }
    }
  }

  close(): Promise<void> {
    return this.#nc.close();
  }
}

/** The address of NATS in the operator's settings. */
export const addressOf = ({ url, servername, ca }: AdminConfig): NatsAddress => ({
  url,
  ...(servername === undefined ? {} : { servername }),
  ...(ca === undefined ? {} : { ca }),
});

/** The error with the settings file in its hint. */
export function withConfigFile(error: unknown, { from }: AdminConfig): unknown {
  if (!(error instanceof CbError)) return error;
  const { kind, message, hint, cause } = error;
  const origin = `the settings come from ${from}`;
  return new CbError(kind, message, { hint: hint === undefined ? origin : `${hint}; ${origin}`, cause });
}
