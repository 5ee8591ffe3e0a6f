/** The setting `http` of queue.yaml: the address of the queue's metrics, health checks and status page. */
import { isIP } from "node:net";
import * as v from "valibot";

const LISTEN_FORMAT = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)|(localhost)):(\d{1,5})$/;

/** Undefined unless it is ADDRESS:PORT with an IP address (one of version 6 in brackets) or `localhost`. */
function listenAddress(text: string): { address: string; port: number } | undefined {
  const [, version6, version4, name, digits] = LISTEN_FORMAT.exec(text) ?? [];
  const port = Number(digits);
  // Another name could resolve to an address that the operator did not mean.
  const address = version6 ?? version4 ?? (name === undefined ? "" : "127.0.0.1");
  const isAddress = version6 === undefined ? isIP(address) === 4 : isIP(address) === 6;
  return isAddress && port >= 1 && port <= 65_535 ? { address, port } : undefined;
}

const hostName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})$/, "must be a host name, without port and without https://"),
  v.toLowerCase(),
);

export const httpConfig = v.strictObject({
  /**
   * The pages have no login and name users. So a network reaches them only when its address is written here; a proxy on the same
   * host, which decides who may read them, needs loopback alone.
   */
  listen: v.pipe(
    v.string("must be ADDRESS:PORT, in quotes"),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const listen = listenAddress(dataset.value);
      if (listen !== undefined) return listen;
      addIssue({ message: "must be ADDRESS:PORT with an IP address, for example 127.0.0.1:9464 or [::1]:9464" });
      return NEVER;
    }),
  ),
  /**
   * Host names under which a proxy passes requests on. None by default: IP addresses and `localhost` are always accepted. Every other
   * name is refused, because a web page elsewhere can make its own name resolve to this address (DNS rebinding).
   */
  hosts: v.optional(v.pipe(v.array(hostName), v.maxLength(16, "more than 16 names")), []),
});
export type HttpConfig = v.InferOutput<typeof httpConfig>;
