/** Lets operators watch the queue: metrics, health, status page, warnings of certificates, and messages to systemd. */
import type { NatsConnection } from "nats";
import type { HttpConfig } from "../../config/http-config.ts";
import type { QueueConfig } from "../../config/queue-config.ts";
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Registry } from "../../core/metrics.ts";
import type { ServiceManager } from "../../core/notify.ts";
import { VERSION } from "../../core/version.ts";
import type { PoolObserver } from "../../pool/observer.ts";
import type { OnCall } from "../../provider/openstack/api/session.ts";
import type { Provider } from "../../provider/provider.ts";
import type { Builds } from "../builds/builds.ts";
import { type HttpServer, openHttpServer } from "../http/server.ts";
import { type StatusSource, statusData } from "../http/status-data.ts";
import { watchRoutes } from "../http/watch-routes.ts";
import { countCloudCalls } from "./cloud-metrics.ts";
import type { QueueEvents } from "./events.ts";
import { earliest, expiryWarnings } from "./expiry.ts";
import { type Periodic, repeat } from "./periodic.ts";
import { type ProcessMetrics, processMetrics } from "./process-metrics.ts";
import { QueueMetrics } from "./queue-metrics.ts";
import { readExpiries } from "./read-expiries.ts";
import { type ConnectionName, Readiness } from "./readiness.ts";
import { StateMetrics } from "./state-metrics.ts";
import { readStorageUse } from "./storage-use.ts";

/** A program that ends, such as the queue that this one replaces, releases its port within seconds. */
const LISTEN_MS = 10_000;
/** The end of a certificate does not move; a day is short beside the 60 days of the warning. */
const EXPIRY_MS = 24 * 3_600_000;
/** One request to NATS for each 256 streams. */
const STORAGE_MS = 60_000;
/** Two requests to each cloud. Quotas change by hand. */
const QUOTA_MS = 5 * 60_000;
/** `systemctl status` is read by people. Each changed status starts systemd-notify once. */
const STATUS_MS = 10_000;

export interface WatchOptions {
  readonly config: QueueConfig;
  readonly log: Logger;
  readonly manager: ServiceManager;
}

/** The parts of the queue that are watched once it serves requests. */
export interface Watched extends StatusSource {
  readonly builds: Builds;
  readonly nc: NatsConnection;
  readonly providers: ReadonlyMap<string, Provider>;
}

export class Watch {
  readonly events: QueueEvents;
  readonly poolObserver: PoolObserver;
  readonly onCloudCall: OnCall;
  readonly #options: WatchOptions;
  readonly #readiness: Readiness;
  readonly #state: StateMetrics;
  readonly #process: ProcessMetrics;
  readonly #registry = new Registry();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];
  #server: HttpServer | undefined;
  #watched: Watched | undefined;
  #warnings: readonly string[] = [];

  /**
   * Listens before the queue connects to NATS, so that /readyz shows why it waits. A port in use is tried again later, since builds
   * do not depend on it. Throws CbError "config" for an address that cannot be used; see openHttpServer.
   */
  static async open(options: WatchOptions): Promise<Watch> {
    const watch = new Watch(options);
    const { http } = options.config;
    if (http !== undefined) await watch.#listen(http);
    watch.#repeat({ failure: "a certificate cannot be read", everyMs: EXPIRY_MS, work: () => watch.#checkExpiries() });
    await options.manager.status("connecting to NATS");
    return watch;
  }

  private constructor(options: WatchOptions) {
    const pools = options.config.pools.map(({ name }) => name);
    const metrics = new QueueMetrics(this.#registry, pools);
    this.#options = options;
    this.#readiness = new Readiness(pools);
    this.#state = new StateMetrics({ registry: this.#registry, readiness: this.#readiness });
    this.#process = processMetrics(this.#registry);
    this.events = metrics;
    this.onCloudCall = countCloudCalls(this.#registry);
    this.poolObserver = {
      builderChanged: (record, before) => metrics.builderChanged(record, before),
      builderFailed: (pool) => metrics.builderFailed(pool),
      passDone: (pool, complete) => {
        metrics.passDone(pool, complete);
        if (complete) this.#readiness.observed(pool);
      },
    };
  }

  setConnected(connection: ConnectionName, connected: boolean): void {
    this.#readiness.setConnected(connection, connected);
  }

  /** The queue serves requests from now on. */
  async start(watched: Watched): Promise<void> {
    this.#watched = watched;
    this.#readiness.setServing();
    if (this.#options.config.http !== undefined) {
      this.#repeat({
        failure: "JetStream's storage cannot be read",
        everyMs: STORAGE_MS,
        work: () => this.#readStorage(watched.nc),
      });
      for (const [pool, provider] of watched.providers) this.#watchQuota(pool, provider);
    }
    await this.#options.manager.ready(this.#summary());
    const work = () => this.#options.manager.status(this.#summary());
    this.#repeat({ failure: "the status for systemd cannot be sent", everyMs: STATUS_MS, work });
  }

  /** The queue stops; /readyz shows it until `close`. */
  async setStopping(): Promise<void> {
    this.#readiness.setStopping();
    this.#stopping.abort();
    await this.#options.manager.stopping();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#process.stop();
    await Promise.all(this.#running);
    await this.#server?.close();
  }

  warnings(): readonly string[] {
    return this.#warnings;
  }

  notReady(): string[] {
    return this.#readiness.reasons();
  }

  /** The page that Prometheus reads. */
  metricsText(): string {
    this.#process.update();
    this.#state.update(this.#watched, systemClock.nowMs());
    return this.#registry.text();
  }

  statusData(): ReturnType<typeof statusData> {
    return statusData({
      installation: this.#options.config.installation,
      version: VERSION,
      nowMs: systemClock.nowMs(),
      notReady: this.notReady(),
      warnings: this.#warnings,
      source: this.#watched,
    });
  }

  async #listen(http: HttpConfig): Promise<void> {
    const work = async () => {
      if (this.#server !== undefined) return;
      this.#server = await openHttpServer(http, watchRoutes(this));
      this.#options.log.info({ ...http.listen }, "metrics, health checks and the status page are served");
    };
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CbError && error.kind === "infrastructure")) throw error;
      this.#repeat({ failure: "metrics and the status page are not served", everyMs: LISTEN_MS, work });
    }
  }

  #repeat(periodic: Periodic): void {
    const { log } = this.#options;
    this.#running.push(repeat(periodic, { clock: systemClock, log, signal: this.#stopping.signal }));
  }

  async #checkExpiries(): Promise<void> {
    const { config, log } = this.#options;
    const { expiries, failures } = await readExpiries(config.nats);
    const first = earliest(expiries);
    this.#state.setExpiries(first);
    this.#warnings = expiryWarnings(first, systemClock.nowMs());
    for (const warning of this.#warnings) log.warn(warning);
    for (const error of failures) log.warn({ err: error }, "the end of a certificate cannot be read");
  }

  async #readStorage(nc: NatsConnection): Promise<void> {
    this.#state.setStorage(await readStorageUse(nc));
  }

  #watchQuota(pool: string, provider: Provider): void {
    if (provider.limits === undefined) return;
    const work = async (signal: AbortSignal) => this.#state.setQuota(pool, (await provider.limits?.(signal)) ?? []);
    this.#repeat({ failure: `the quotas of pool ${pool} cannot be read`, everyMs: QUOTA_MS, work });
  }

  /** One line for `systemctl status`. */
  #summary(): string {
    const [reason] = this.notReady();
    if (reason !== undefined) return reason;
    const { pools, running, waiting } = this.statusData();
    const ready = pools.reduce((sum, pool) => sum + pool.ready, 0);
    return `${running.total} builds running, ${waiting.total} waiting, ${ready} builders ready`;
  }
}
