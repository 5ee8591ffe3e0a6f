/**
 * Connects as `connect` of nats.js does, with a transport that passes on whole messages. nats.js lets a platform bring its own
 * transport, but exports neither its transport for Node nor the function that sets another one: hence the imports by path.
 */
import type { ConnectionOptions, NatsConnection } from "nats";
import { NatsConnectionImpl, setTransportFactory } from "nats/lib/nats-base-client/internal_mod.js";
import { NodeTransport, nodeResolveHost } from "nats/lib/src/node_transport.js";
import { WholeMessages } from "./whole-messages.ts";

class WholeMessageTransport extends NodeTransport {
  override async *iterate(): AsyncIterableIterator<Uint8Array> {
    const messages = new WholeMessages();
    for await (const chunk of super.iterate()) yield* messages.add(chunk);
  }
}

/** Rejects as `connect` of nats.js does. */
export function connectWhole(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new WholeMessageTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}
