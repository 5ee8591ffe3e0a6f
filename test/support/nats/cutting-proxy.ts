/** A TCP proxy in front of a server that breaks its connections on demand, also in the middle of a message. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  readonly port: number;
  /** Bytes received from the client so far. */
  readonly fromClientBytes: () => number;
  /** Bytes received from the server so far. */
  readonly fromServerBytes: () => number;
  /** Breaks every connection after `afterBytes` more bytes from the client; the rest is lost. */
  cutAfter(afterBytes: number): void;
  /** Discards everything that the server sends, until the connections are broken. */
  holdAnswers(): void;
  /** Breaks every connection now and refuses new ones until `admit`. */
  refuse(): void;
  admit(): void;
  stop(): Promise<void>;
}

export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let bytes = 0;
  let serverBytes = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  let holding = false;
  let refusing = false;
  const cut = (): void => {
    holding = false;
    cutAt = Number.POSITIVE_INFINITY;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    const upstream = connect(targetPort, "127.0.0.1");
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    upstream.on("data", (data) => {
      serverBytes += data.length;
      return holding || client.write(data);
    });
    client.on("data", (data) => {
      const passes = data.subarray(0, Math.max(0, cutAt - bytes));
      bytes += data.length;
      upstream.write(passes);
      // The server reads the bytes that were passed on before the end, as with a broken network connection.
      if (bytes >= cutAt) upstream.end(cut);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    fromClientBytes: () => bytes,
    fromServerBytes: () => serverBytes,
    cutAfter: (afterBytes) => {
      cutAt = bytes + afterBytes;
    },
    holdAnswers: () => {
      holding = true;
    },
    refuse: () => {
      refusing = true;
      cut();
    },
    admit: () => {
      refusing = false;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
