/** `builder.<builder>.ask`: the request that each agent has outstanding, and the order that it gets. */

import { CbError } from "../../core/errors.ts";
import type { AgentReply, AgentRequest } from "../../protocol/builder-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { BuildAttempts } from "../leases/attempts.ts";
import type { BuilderLeases } from "../leases/builders.ts";
import type { Leases } from "../leases/leases.ts";
import type { ParkedRequests } from "../leases/parked-requests.ts";
import type { Placement } from "../leases/placement.ts";
import type { TerminalSizes } from "./terminal-sizes.ts";

type ReadyRequest = Extract<AgentRequest, { state: "ready" }>;

export interface AgentRequestsOptions {
  readonly builds: Builds;
  readonly builders: BuilderLeases;
  readonly leases: Leases;
  readonly attempts: BuildAttempts;
  readonly placement: Placement;
  readonly terminalSizes: TerminalSizes;
  readonly parked: ParkedRequests;
}

export class AgentRequests {
  readonly #options: AgentRequestsOptions;

  constructor(options: AgentRequestsOptions) {
    this.#options = options;
  }

  /** Resolves to the order, after as long as a request is parked. Throws CbError "usage" for another builder's id. */
  async handle(builder: string, request: AgentRequest): Promise<AgentReply> {
    if (request.builder !== builder)
      throw new CbError("usage", `builder ${builder} sent a request with the id ${request.builder}`);
    const { builds, builders, attempts, terminalSizes, parked } = this.#options;
    const heartbeat = await builders.heartbeat(request);
    // The agent of a held builder waits: it ends its machine with itself, which the operator wants to look at.
    if (!heartbeat.alive && heartbeat.isHeld && request.state === "ready") return parked.park(request);
    if (!heartbeat.alive) return { v: 1, order: "stop", reason: heartbeat.reason };
    if (request.state === "ready") return this.#onReady(request, heartbeat.build);
    const record = builds.get(request.build);
    if (record?.builder !== builder || record.state !== "leased") {
      return { v: 1, order: "stop", reason: `build ${request.build} is not leased to this builder` };
    }
    if (request.state === "storing") return attempts.storeImage(record, request.image);
    if (request.state === "ended") return attempts.end(record, request.outcome);
    return terminalSizes.has(request.build) ? terminalSizes.takeOrder(request.build) : parked.park(request);
  }

  async #onReady(request: ReadyRequest, leasedBuild: string | undefined): Promise<AgentReply> {
    const { leases, placement, parked } = this.#options;
    const { builder } = request;
    const repeated = leasedBuild === undefined ? undefined : await leases.repeat(leasedBuild, builder, request);
    if (repeated !== undefined) return repeated;
    const reply = parked.park(request);
    if (leasedBuild === undefined) placement.request();
    return reply;
  }
}
