/** The queue: loads the records, serves the requests of users, agents and operators, and does periodic work at each tick. */
import type { NatsConnection } from "nats";
import type { ClientSubscriptions } from "../nats/rpc/client-subscriptions.ts";
import { RpcServer, type RpcServerOptions } from "../nats/rpc/server.ts";
import type { LostEvent } from "../pool/reconciler/executor.ts";
import * as requests from "../protocol/requests.ts";
import { buildBucketStream, buildStream, principals } from "../protocol/subjects.ts";
import { serveAdmin } from "./api/admin.ts";
import { replyToStatus } from "./api/status.ts";
import type { Explanation } from "./builds/explain.ts";
import { createServices, type QueueOptions, type Services } from "./services.ts";

/** Time between two ticks. Callers see a change of their position, and the end of a time limit, within a second. */
const TICK_MS = 1_000;

/** The end of a build that no builder can build: an earlier queue could not complete its reservation, or the recipes were lost. */
const RECIPE_MISSING = { v: 1, state: "lost", reason: "the queue has lost its recipe; start the build again" } as const;

export interface QueueConnections {
  /** Carries the requests. */
  readonly requests: NatsConnection;
  /** Learns which streams are going to be read. */
  readonly readers: Pick<ClientSubscriptions, "expect">;
}

export class Queue {
  readonly #options: QueueOptions;
  readonly #services: Services;
  #server: RpcServer | undefined;
  #readers: QueueConnections["readers"] | undefined;
  #ticker: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#services = createServices(options);
  }

  /** Resolves when the queue serves requests. Throws CbError "infrastructure" without NATS, "config" on an unreadable record. */
  async start({ requests: nc, readers }: QueueConnections): Promise<void> {
    const { builds, pools, streams, log } = this.#options;
    const { lost, placement } = this.#services;
    this.#readers = readers;
    await this.#options.storage.refresh();
    const resumed = await streams.resume();
    if (resumed > 0) log.warn({ streams: resumed }, "resumed the streams that cb-admin had suspended");
    await builds.load();
    await this.#services.shared.load();
    const unbuildable = await builds.dropUnusedRecipes(await this.#services.unrecorded.tidy());
    for (const pool of pools.values()) {
      pool.onLost((event) => this.#logFailure(lost.handleLoss(event), event));
      pool.onGone(() => placement.request());
    }
    this.#serve(nc);
    // After this round trip nats-server has the subscriptions, so that it drops no request of a client that finds the queue.
    await nc.flush();
    for (const pool of pools.values()) pool.setListening(true);
    for (const build of unbuildable) this.#logFailure(this.#services.endings.end(build, RECIPE_MISSING), { build });
    this.#ticker = this.#tick();
  }

  /** Stops serving and lets requests and ends in progress finish. Builds go on, and the next queue takes them over. */
  async stop(): Promise<void> {
    const { endings, refusalLog } = this.#services;
    this.#stopping.abort();
    // No new request may be parked after the parked ones got their reply, so that the agents ask the next queue.
    await this.#server?.close();
    this.#options.parked.clear();
    this.#options.images.stop();
    await this.#ticker;
    await endings.settled();
    refusalLog.flush();
  }

  /** The waiting builds, for the status page and for cb-builds. */
  waiting(): Explanation[] {
    return this.#services.waitingNotices.explanations();
  }

  #serve(nc: NatsConnection): void {
    const { users, images, builds, pools, drains, usage, clock, log, events } = this.#options;
    const { refusalLog, adminUsers, adminBuilds, adminPools, credentialRenewal, unrecorded } = this.#services;
    const onRefused: RpcServerOptions["onRefused"] = (subject, error, isExcess) => {
      refusalLog.add(subject, error);
      events?.refused(subject, error, isExcess);
    };
    const server = new RpcServer({ nc, onRefused, onRequest: events?.requested });
    this.#server = server;
    this.#serveUsers(server);
    server.serve(requests.status, async (user, { credential }) => ({
      ...replyToStatus(this.#options, this.#services.quotas.of(user)),
      ...(await credentialRenewal.renew(user, credential)),
    }));
    server.serve(requests.images, () => images.list());
    server.serve(requests.agentAsk, (builder, request) => this.#services.agentRequests.handle(builder, request));
    serveAdmin(server, {
      users: adminUsers,
      builds: adminBuilds,
      waiting: () => this.waiting(),
      adminPools,
      drains,
      usage,
      unrecorded,
      pools,
      clock,
      log,
    });
    for (const { name } of users.all()) if (!users.isRevoked(name)) server.expect(principals.users, name);
    for (const { user, build, state } of builds.all()) {
      server.expect(principals.users, user);
      if (state !== "ended") this.#expectReaders(build);
    }
    this.#expectBuilders();
  }

  #serveUsers(server: RpcServer): void {
    const { users } = this.#options;
    const { reservations, userBuilds, contextUploads, credentialRenewal, terminalSizes } = this.#services;
    // Requests that issue a credential are refused to revoked users here, until the operator has revoked the key in NATS.
    server.serve(requests.reserve, async (user, request) => {
      const reply = await reservations.reserve(users.served(user), request);
      this.#expectReaders(reply.build);
      return { ...reply, ...(await credentialRenewal.renew(user, request.credential)) };
    });
    server.serve(requests.attach, async (user, request) => {
      const reply = userBuilds.attach(users.served(user), request);
      this.#expectReaders(request.build);
      return reply;
    });
    server.serve(requests.sent, (user, request) => contextUploads.sent(user, request));
    server.serve(requests.resize, (user, request) => terminalSizes.resize(user, request));
    server.serve(requests.cancel, (user, request) => reservations.cancel(user, request));
    server.serve(requests.received, (user, request) => userBuilds.received(user, request));
    server.serve(requests.builds, async (user) => userBuilds.list(user, this.waiting()));
  }

  /** An expected principal has a subscription of its own, so a flood from unknown principals cannot delay its first request. */
  #expectReaders(build: string): void {
    for (const stream of [buildStream(build), buildBucketStream(build)]) this.#readers?.expect(stream);
  }

  #expectBuilders(): void {
    for (const pool of this.#options.pools.values())
      for (const builder of pool.builders()) this.#server?.expect(principals.builders, builder);
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options;
    const {
      placement,
      lost,
      revokedBuilds,
      leases,
      contextUploads,
      terminalSizes,
      refusalLog,
      waitingNotices,
      retention,
      bootstrapJobs,
    } = this.#services;
    while (!this.#stopping.signal.aborted) {
      await this.#options.storage.refresh();
      await this.#attempt("subscriptions of builders", async () => this.#expectBuilders());
      await this.#attempt("leases", () => placement.pass());
      await this.#attempt("lost builders", () => lost.check());
      await this.#attempt("builds of revoked users", () => revokedBuilds.cancelAll());
      await this.#attempt("half-written leases", () => leases.reclaim());
      await this.#attempt("stalled context uploads", () => contextUploads.endStalled());
      terminalSizes.forgetEnded();
      refusalLog.flushIfDue();
      await this.#attempt("packed trees", () => bootstrapJobs.pass());
      await this.#attempt("queue positions", () => waitingNotices.publish());
      await this.#attempt("limits and retention", () => retention.sweep());
      await clock.sleep(TICK_MS, this.#stopping.signal);
    }
  }

  /** A step that fails does not keep the other steps of the tick from running. */
  async #attempt(step: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.log.error({ err: error, step }, "a step of the tick failed; the next tick tries again");
    }
  }

  #logFailure(work: Promise<unknown>, { build, builder }: Partial<LostEvent>): void {
    work.catch((error: unknown) =>
      this.#options.log.error({ err: error, build, builder }, "a build could not be ended; the next tick tries again"),
    );
  }
}
