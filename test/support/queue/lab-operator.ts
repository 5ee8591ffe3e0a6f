/** An operator of a QueueLab: sends requests as cb-admin does. */
import type { NatsConnection } from "nats";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { RequestDefinition } from "../../../lib/protocol/requests.ts";
import type { QueueLab } from "./queue-lab.ts";

const REPLY_MS = 10_000;

export class LabOperator {
  readonly #nc: NatsConnection;

  static async of(lab: QueueLab): Promise<LabOperator> {
    return new LabOperator((await lab.nats.operator()).connection);
  }

  private constructor(nc: NatsConnection) {
    this.#nc = nc;
  }

  /** Rejects with the queue's refusal. */
  request<Request, Reply>(definition: RequestDefinition<Request, Reply>, request: Request): Promise<Reply> {
    return call(definition, { nc: this.#nc, principal: "operator", request, timeoutMs: REPLY_MS });
  }
}
