/** Refuses requests under an unknown host name, against DNS rebinding. Pure. */
import { isIP } from "node:net";

/**
 * A web page can make its own name resolve to this server, and a browser then sends that name. So IP addresses and `localhost`, which
 * no page can own, and the names in `hosts` are allowed. `header`: the Host header, with or without a port.
 */
export function isAllowedHost(header: string | undefined, hosts: readonly string[]): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(header ?? "") ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const name = (plain ?? "").toLowerCase();
  return isIP(name) === 4 || name === "localhost" || hosts.includes(name);
}
