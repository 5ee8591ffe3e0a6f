/** The port of the local stack's metrics and status page. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";

export const HTTP_ADDRESS = "127.0.0.1";

/** The port of an exporter that is common for cb-queue, so that a workstation's bookmark works. */
const USUAL_PORT = 9464;

/**
 * The port in `file` while the queue runs. Else the last one, the usual one or any other, the first of them that is free; it is
 * written to the file. Another program may still take it before the queue does; then the queue's log says so.
 */
export async function httpPort(file: string, queueRuns: boolean): Promise<number> {
  const last = await readFile(file, "utf8").then(Number, () => USUAL_PORT);
  if (queueRuns) return last;
  const port = (await listenOn(last)) ?? (await listenOn(USUAL_PORT)) ?? (await listenOn(0)) ?? USUAL_PORT;
  await writeFile(file, String(port));
  return port;
}

/** The port, released again; undefined when it is in use. */
async function listenOn(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    const listening = once(server, "listening");
    server.listen({ host: HTTP_ADDRESS, port });
    await listening;
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
