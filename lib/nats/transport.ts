/**
 * Connects as `connect` of nats.js does, with a transport that copies large messages as rarely as it can. nats.js lets a platform bring
 * its own transport, but exports neither its transport for Node nor the function that sets another one: hence the imports by path.
 */
import type { ConnectionOptions, NatsConnection } from "nats";
import { NatsConnectionImpl, setTransportFactory } from "nats/lib/nats-base-client/internal_mod.js";
import { NodeTransport, nodeResolveHost } from "nats/lib/src/node_transport.js";
import { LARGE_BYTES, Outbound } from "./outbound.ts";
import { readInto } from "./read-into.ts";
import { WholeMessages } from "./whole-messages.ts";

interface WaitingFrame {
  readonly bytes: Uint8Array;
  readonly resolve: (sent: Promise<void>) => void;
}

class WholeMessageTransport extends NodeTransport {
  readonly #messages = new WholeMessages();
  readonly #waiting: WaitingFrame[] = [];
  #isWriting = false;

  /** nats.js would pass on each piece by itself, with several promises; TLS delivers at most 16 KiB at a time. */
  override setupHandlers(): void {
    super.setupHandlers();
    this.socket.removeAllListeners("data");
    readInto(this.socket, (piece) => {
      const complete = this.#messages.add(piece);
      if (complete.length === 0) return;
      this.yields.push(...complete);
      this.signal.resolve();
    });
  }

  /**
   * One write at a time, in order: the TLS socket of Node copies all writes that wait for another one into one new buffer. Here only
   * small ones are joined.
   */
  override _send(bytes: Uint8Array): Promise<void> {
    if (!this.#isWriting) return this.#write(bytes);
    return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
  }

  #write(bytes: Uint8Array): Promise<void> {
    this.#isWriting = true;
    const sent = super._send(bytes);
    const next = (): void => this.#writeWaiting();
    sent.then(next, next);
    return sent;
  }

  #writeWaiting(): void {
    const firstLarge = this.#waiting.findIndex(({ bytes }) => bytes.length >= LARGE_BYTES);
    const small = firstLarge < 0 ? this.#waiting.length : firstLarge;
    const frames = this.#waiting.splice(0, Math.max(1, small));
    this.#isWriting = frames.length > 0;
    const [first, ...more] = frames.map(({ bytes }) => bytes);
    if (first === undefined) return;
    const sent = this.#write(more.length === 0 ? first : Buffer.concat([first, ...more]));
    for (const { resolve } of frames) resolve(sent);
  }
}

/** Rejects as `connect` of nats.js does. */
export async function connectWhole(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new WholeMessageTransport(), dnsResolveFn: nodeResolveHost });
  const connection = await NatsConnectionImpl.connect(options);
  if (connection instanceof NatsConnectionImpl) useOutbound(connection);
  return connection;
}

function useOutbound({ protocol }: NatsConnectionImpl): void {
  const outbound = new Outbound((frame) => protocol.transport.send(frame));
  for (const waiting of protocol.outbound.buffers) outbound.fill(waiting);
  protocol.outbound = outbound;
}
