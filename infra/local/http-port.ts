/** The port of the local stack's metrics and status page. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { CbError } from "../../lib/core/errors.ts";

export const HTTP_ADDRESS = "127.0.0.1";

/**
 * The port in `file` while the queue runs. Else the last one, so that a bookmark works, or any other, the first of them that is free; it
 * is written to the file. Two stacks of one machine that start at once do not choose the same port. Another program may still take it
 * before the queue does; then the queue's log says so, and the queue tries again.
 */
export async function httpPort(file: string, queueRuns: boolean): Promise<number> {
  const last = await readFile(file, "utf8").then(Number, () => undefined);
  if (queueRuns && last !== undefined) return last;
  const port = (last === undefined ? undefined : await freePort(last)) ?? (await freePort(0));
  if (port === undefined) throw new CbError("infrastructure", `no port of ${HTTP_ADDRESS} is free`);
  await writeFile(file, String(port));
  return port;
}

/** The port, or for 0 one that the kernel chooses; undefined when it is in use. */
export async function freePort(port: number): Promise<number | undefined> {
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
