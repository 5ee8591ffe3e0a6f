/** An operator's connection to the queue, in the account CORE. */
import type { NatsConnection } from "nats";
import { readCreds } from "../auth/creds.ts";
import { call } from "../bus/call.ts";
import { type BusAddress, connectBus } from "../bus/connect.ts";
import type { Request } from "../bus/registry.ts";
import { systemClock } from "../clock.ts";
import { type AdminConfig, adminConfig } from "../config/admin-config.ts";
import { folders } from "../config/folders.ts";
import { CbError } from "../errors.ts";

/** A look that is under way ends first, then the provider is listed, half a minute each, and then consoles are read for 20 s. */
const REPLY_MS = 90_000;

export class AdminSession {
  readonly config: AdminConfig;
  readonly address: BusAddress;
  readonly #nc: NatsConnection;
  readonly #operator: string;

  /** Throws CbError "config" for settings that are missing or wrong, "unreachable" and "denied" as connectBus does. */
  static async open(configFile: string | undefined): Promise<AdminSession> {
    const config = adminConfig(configFile, folders());
    const { url, servername, ca } = config;
    const creds = await readCreds(config.creds, systemClock.nowMs());
    const address: BusAddress = {
      url,
      ...(servername === undefined ? {} : { servername }),
      ...(ca === undefined ? {} : { ca }),
    };
    const nc = await connectBus({ address, credential: creds, name: `cb-admin ${creds.name}` }).catch((error) => {
      if (!(error instanceof CbError)) throw error;
      const { kind, message, hint, cause } = error;
      const from = `the settings are those of ${config.from}`;
      throw new CbError(kind, message, { hint: hint === undefined ? from : `${hint}; ${from}`, cause });
    });
    return new AdminSession(config, address, { nc, operator: creds.name });
  }

  private constructor(config: AdminConfig, address: BusAddress, parts: { nc: NatsConnection; operator: string }) {
    this.config = config;
    this.address = address;
    this.#nc = parts.nc;
    this.#operator = parts.operator;
  }

  /** Errors as `call` has them. */
  ask<Q, R>(request: Request<Q, R>, question: Q): Promise<R> {
    return call(request, { nc: this.#nc, asker: this.#operator, question, timeoutMs: REPLY_MS });
  }

  close(): Promise<void> {
    return this.#nc.close();
  }
}
