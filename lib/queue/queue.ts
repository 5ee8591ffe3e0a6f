/** The reservation service: takes up what it finds, answers, and ticks. */
import type { Service } from "nats";
import * as registry from "../bus/registry.ts";
import { serve } from "../bus/serve.ts";
import type { StatusReply } from "../bus/status-messages.ts";
import { type CbError, messageOf } from "../errors.ts";
import { Contexts } from "./contexts.ts";
import { Endings } from "./endings.ts";
import { Leases } from "./leases.ts";
import { OwnBuilds } from "./own-builds.ts";
import { poolStatus } from "./pool-status.ts";
import type { QueuePorts } from "./ports.ts";
import { Reservations } from "./reservations.ts";
import { sweep } from "./sweep.ts";
import { Terminals } from "./terminals.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** How often callers are told of their place, and time limits are looked at: what a person takes for "at once". */
const TICK_MS = 1_000;

export class Queue {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  readonly #leases: Leases;
  readonly #terminals: Terminals;
  readonly #contexts: Contexts;
  readonly #reservations: Reservations;
  readonly #waitingRoom: WaitingRoom;
  #ticker: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
    this.#endings = new Endings(ports);
    this.#terminals = new Terminals(ports);
    const place = () => this.#soon();
    this.#leases = new Leases(ports, { endings: this.#endings, terminals: this.#terminals, place });
    this.#contexts = new Contexts(ports, this.#endings, place);
    this.#reservations = new Reservations(ports, this.#endings, place);
    this.#waitingRoom = new WaitingRoom(ports, this.#leases);
  }

  /** Takes up the records, then answers. */
  async start(service: Service): Promise<void> {
    await this.#ports.builds.load();
    await this.#takeUp();
    for (const pool of this.#ports.pools.values()) {
      pool.onLost(({ builder, reason }) => this.#onLost(builder, reason));
    }
    this.#serve(service);
    for (const pool of this.#ports.pools.values()) pool.setListening(true);
    this.#ticker = this.#tick();
  }

  /** Call it when nothing new can arrive. Lets what is under way finish; builds go on, and whoever comes next takes them up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ports.parked.clear();
    this.#ports.images.stop();
    await this.#ticker;
    await this.#endings.settled();
  }

  #serve(service: Service): void {
    const onRefused = (subject: string, error: CbError) => this.#onRefused(subject, error);
    const { reserve, sent, resize, attach, builds, cancel, received, status, images, builderAsk } = registry;
    const ownBuilds = new OwnBuilds(this.#ports);
    const reservations = this.#reservations;
    serve({ service, onRefused, request: reserve, handler: (user, q) => reservations.reserve(user, q) });
    serve({ service, onRefused, request: sent, handler: (user, q) => this.#contexts.sent(user, q) });
    serve({ service, onRefused, request: resize, handler: (user, q) => this.#terminals.resize(user, q) });
    serve({ service, onRefused, request: attach, handler: async (user, q) => ownBuilds.attach(user, q) });
    serve({ service, onRefused, request: builds, handler: async (user) => ownBuilds.list(user) });
    serve({ service, onRefused, request: cancel, handler: (user, q) => reservations.cancel(user, q) });
    serve({ service, onRefused, request: received, handler: (user, q) => reservations.received(user, q) });
    serve({ service, onRefused, request: status, handler: async () => this.#status() });
    serve({ service, onRefused, request: images, handler: () => this.#ports.images.list() });
    serve({ service, onRefused, request: builderAsk, handler: (builder, q) => this.#leases.onAsk(builder, q) });
  }

  /** Streams of reservations that an earlier queue did not finish, and buckets that it made for a build just as that ended. */
  async #takeUp(): Promise<void> {
    const { builds, streams, log } = this.#ports;
    const unknown = await streams.sweepUnknown((build) => {
      const record = builds.get(build);
      return record === undefined ? "unknown" : record.emptied ? "emptied" : "kept";
    });
    if (unknown.length > 0) log.warn({ streams: unknown }, "deleted streams and buckets that no record wants");
  }

  #onLost(builder: string, reason: string): void {
    const record = this.#ports.builds.leased().find((one) => one.builder === builder);
    // Without one the lease is half written, or half gone: `reclaim` gives it back.
    if (record === undefined) return;
    this.#guard(this.#endings.end(record.build, { v: 1, state: "lost", reason: `the builder was lost: ${reason}` }));
  }

  #soon(): void {
    this.#guard(this.#leases.place());
  }

  async #tick(): Promise<void> {
    const { clock } = this.#ports;
    while (!this.#stopping.signal.aborted) {
      await this.#attempt("leases", () => this.#leases.place());
      await this.#attempt("half-written leases", () => this.#leases.reclaim());
      await this.#attempt("contexts on their way", () => this.#contexts.dropStalled());
      this.#terminals.forgetEnded();
      await this.#attempt("waiting callers", () => this.#waitingRoom.tell());
      await this.#attempt("limits and retention", () => sweep(this.#ports, this.#endings));
      await clock.sleep(TICK_MS, this.#stopping.signal);
    }
  }

  /** What fails in a tick keeps nothing else of it from being done. */
  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ports.log.error({ err: error, what }, "a part of a tick failed; the next one tries again");
    }
  }

  #status(): StatusReply {
    const { pools, poolKinds, builds } = this.#ports;
    const archOf = new Map(poolKinds.map(({ name, arch }) => [name, arch]));
    return {
      v: 1,
      pools: [...pools].map(([name, pool]) => poolStatus({ name, pool, arch: archOf.get(name) ?? "" })),
      builds: { waiting: builds.waiting().length, running: builds.leased().length },
    };
  }

  #onRefused(subject: string, error: CbError): void {
    const ours = error.cause !== undefined && error.kind === "infrastructure";
    this.#ports.log[ours ? "error" : "warn"](
      { subject, kind: error.kind, reason: error.message, err: error.cause },
      "refused",
    );
  }

  #guard(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#ports.log.error({ err: error, reason: messageOf(error) }, "failed; the next tick tries again"),
    );
  }
}
