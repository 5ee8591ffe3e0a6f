/**
 * Streams that do not answer, or cannot be written because the disk of NATS is full: names them, and keeps a call to one of them
 * from delaying the others.
 *
 * After a call without an answer, further calls to that stream are refused at once until it is tried again: after 5 s, then after
 * twice as long each time, up to a minute. So a hundred silent streams cost a few seconds a minute instead of 5 s each, and a
 * leader that is replaced within 4 to 7 s costs its stream one refusal.
 */
import { ErrorCode, type NatsConnection, NatsError } from "nats";
import { CbError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { doesNotAnswer, explanation, isDiskFull, RESTART } from "./stream-failures.ts";

const RETRY_MS = { first: 5_000, longest: 60_000 };
/** nats-server answers a PING within milliseconds; a frozen or unreachable one does not. */
const PING_MS = 1_000;

/** Stands for the calls that create, list and delete streams. */
export const JETSTREAM_API = "the JetStream API";

interface Fault {
  readonly message: string;
  readonly silent: boolean;
  readonly retryMs: number;
  readonly retryAtMs: number;
}

export interface StreamHealthOptions {
  readonly nc: NatsConnection;
  readonly log: Logger;
  /** Monotonic clock. */
  readonly nowMs?: () => number;
}

export class StreamHealth {
  readonly #options: StreamHealthOptions;
  readonly #nowMs: () => number;
  /** At most one entry for each stream that exists, since the next answer of a stream removes its entry. */
  readonly #faults = new Map<string, Fault>();

  constructor(options: StreamHealthOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** One message for each stream with a fault. */
  faults(): string[] {
    return Array.from(this.#faults.values(), ({ message }) => message);
  }

  /**
   * Makes a call to a stream, or to the JetStream API about a stream. Throws CbError "unreachable" without a call while the stream
   * is silent, "infrastructure" with the remedy as `explanation` does, and every other error as it is.
   */
  async call<T>(stream: string, work: () => Promise<T>, about = stream): Promise<T> {
    const fault = this.#faults.get(stream);
    if (fault?.silent && this.#nowMs() < fault.retryAtMs) {
      throw new CbError("unreachable", fault.message, { hint: RESTART });
    }
    try {
      const result = await work();
      this.#answered(stream);
      return result;
    } catch (error) {
      const explained = explanation(about, error);
      if (isTimeout(error)) {
        // A server that does not answer at all is reported by its connection, and is no fault of this stream.
        if (await this.#serverAnswers()) this.#failed(stream, doesNotAnswer(stream), true);
      } else if (isDiskFull(error)) this.#failed(about, explained?.message ?? messageOf(error), false);
      else this.#answered(stream);
      throw explained ?? error;
    }
  }

  #failed(stream: string, message: string, silent: boolean): void {
    const before = this.#faults.get(stream);
    const retryMs = Math.min(2 * (before?.retryMs ?? RETRY_MS.first / 2), RETRY_MS.longest);
    this.#faults.set(stream, { message, silent, retryMs, retryAtMs: this.#nowMs() + retryMs });
    if (before?.message !== message) this.#options.log.error({ stream, remedy: RESTART }, message);
  }

  #answered(stream: string): void {
    if (this.#faults.delete(stream)) this.#options.log.warn({ stream }, "the stream answers again");
  }

  async #serverAnswers(): Promise<boolean> {
    const { nc } = this.#options;
    if (nc.isClosed() || nc.info === undefined) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), PING_MS);
    });
    const pong = nc.flush().then(
      () => true,
      () => false,
    );
    return await Promise.race([pong, late]).finally(() => clearTimeout(timer));
  }
}

const isTimeout = (error: unknown): boolean => error instanceof NatsError && error.code === ErrorCode.Timeout;
