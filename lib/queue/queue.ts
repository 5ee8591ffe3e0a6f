/** The reservation service: takes up what it finds, answers, and ticks. */
import type { NatsConnection } from "nats";
import { messageOf } from "../core/errors.ts";
import type { ClientSubscriptions } from "../nats/rpc/client-subscriptions.ts";
import { RpcServer } from "../nats/rpc/server.ts";
import * as registry from "../protocol/requests.ts";
import type { StatusReply } from "../protocol/status-messages.ts";
import { buildBucketStream, buildStream, principals } from "../protocol/subjects.ts";
import { serveAdmin } from "./api/admin.ts";
import { OwnBuilds } from "./api/own-builds.ts";
import { poolStatus } from "./api/pool-status.ts";
import { Refusals } from "./api/refusals.ts";
import { Reservations } from "./api/reservations.ts";
import { Terminals } from "./api/terminals.ts";
import { Contexts } from "./builds/contexts.ts";
import { Endings } from "./builds/endings.ts";
import { WaitingNotices } from "./builds/waiting-notices.ts";
import { Leases } from "./leases/leases.ts";
import { LostBuilders } from "./leases/lost-builders.ts";
import type { QueuePorts } from "./ports.ts";
import { sweep } from "./retention/sweep.ts";
import { endRevoked } from "./users/revoked-builds.ts";

/** How often callers are told of their place, and time limits are looked at: what a person takes for "at once". */
const TICK_MS = 1_000;

export class Queue {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  readonly #lost: LostBuilders;
  readonly #leases: Leases;
  readonly #terminals: Terminals;
  readonly #contexts: Contexts;
  readonly #reservations: Reservations;
  readonly #waitingRoom: WaitingNotices;
  readonly #refusals: Refusals;
  #listener: RpcServer | undefined;
  #readers: Pick<ClientSubscriptions, "expect"> | undefined;
  #ticker: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
    this.#endings = new Endings(ports);
    this.#terminals = new Terminals(ports);
    const place = () => this.#soon();
    this.#lost = new LostBuilders(ports, this.#endings);
    this.#leases = new Leases(ports, { endings: this.#endings, lost: this.#lost, terminals: this.#terminals, place });
    this.#contexts = new Contexts(ports, this.#endings, place);
    this.#reservations = new Reservations(ports, this.#endings, place);
    this.#refusals = new Refusals(ports);
    this.#waitingRoom = new WaitingNotices(ports, this.#leases, this.#lost);
  }

  /** Takes up the records, then answers over that connection, and tells the door for readers which streams they may want. */
  async start({
    questions,
    readers,
  }: {
    questions: NatsConnection;
    readers: Pick<ClientSubscriptions, "expect">;
  }): Promise<void> {
    this.#readers = readers;
    await this.#ports.builds.load();
    await this.#takeUp();
    for (const pool of this.#ports.pools.values()) {
      pool.onLost((event) => this.#guard(this.#lost.lose(event)));
      pool.onGone(() => this.#soon());
    }
    this.#serve(questions);
    // Whoever is told that there is a queue is heard: NATS knows by then of the doors.
    await questions.flush();
    for (const pool of this.#ports.pools.values()) pool.setListening(true);
    this.#ticker = this.#tick();
  }

  /** Hears nobody any more, and lets what is under way finish; builds go on, and whoever comes next takes them up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    // First nothing new arrives, then parked questions are answered, so that agents ask whoever comes next.
    await this.#listener?.close();
    this.#ports.parked.clear();
    this.#ports.images.stop();
    await this.#ticker;
    await this.#endings.settled();
    this.#refusals.flush();
  }

  #serve(nc: NatsConnection): void {
    const listener = new RpcServer({ nc, onRefused: (subject, error) => this.#refusals.note(subject, error) });
    this.#listener = listener;
    const on = <Q, R>(
      request: registry.RequestDefinition<Q, R>,
      handler: (principal: string, question: Q) => R | Promise<R>,
    ) => listener.serve(request, async (principal, question) => handler(principal, question));
    const { users, images } = this.#ports;
    const reservations = this.#reservations;
    const ownBuilds = new OwnBuilds(this.#ports);
    // What gives rights is not for the revoked; NATS refuses them too, as soon as an operator has told it.
    on(registry.reserve, async (user, q) => {
      const reply = await reservations.reserve(users.served(user), q);
      this.#expectReaders(reply.build);
      return reply;
    });
    on(registry.attach, (user, q) => {
      const reply = ownBuilds.attach(users.served(user), q);
      this.#expectReaders(q.build);
      return reply;
    });
    on(registry.sent, (user, q) => this.#contexts.sent(user, q));
    on(registry.resize, (user, q) => this.#terminals.resize(user, q));
    on(registry.cancel, (user, q) => reservations.cancel(user, q));
    on(registry.received, (user, q) => reservations.received(user, q));
    on(registry.builds, (user) => ownBuilds.list(user));
    on(registry.status, () => this.#status());
    on(registry.images, () => images.list());
    on(registry.agentAsk, (builder, q) => this.#leases.onAsk(builder, q));
    serveAdmin({ listener, ports: this.#ports, endings: this.#endings });
    for (const { name } of users.all()) if (!users.isRevoked(name)) listener.expect(principals.users, name);
    for (const { user, build, state } of this.#ports.builds.all()) {
      listener.expect(principals.users, user);
      if (state !== "ended") this.#expectReaders(build);
    }
    this.#expectBuilders();
  }

  /** Who is expected need not be met among strangers, who may flood. */
  #expectReaders(build: string): void {
    for (const stream of [buildStream(build), buildBucketStream(build)]) this.#readers?.expect(stream);
  }

  #expectBuilders(): void {
    for (const pool of this.#ports.pools.values())
      for (const builder of pool.builders()) this.#listener?.expect(principals.builders, builder);
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

  #soon(): void {
    this.#guard(this.#leases.place());
  }

  async #tick(): Promise<void> {
    const { clock } = this.#ports;
    while (!this.#stopping.signal.aborted) {
      await this.#attempt("doors of builders", async () => this.#expectBuilders());
      await this.#attempt("leases", () => this.#leases.place());
      await this.#attempt("lost builders", () => this.#lost.look());
      await this.#attempt("builds of revoked users", () => endRevoked(this.#ports, this.#endings));
      await this.#attempt("half-written leases", () => this.#leases.reclaim());
      await this.#attempt("contexts on their way", () => this.#contexts.dropStalled());
      this.#terminals.forgetEnded();
      this.#refusals.tell();
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

  #guard(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#ports.log.error({ err: error, reason: messageOf(error) }, "failed; the next tick tries again"),
    );
  }
}
