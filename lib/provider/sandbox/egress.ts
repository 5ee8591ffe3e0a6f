/**
 * The egress filter of a sandbox: nft rules for its network namespace.
 *
 * The filter uses nftables and no routes. Routes were not tried; the sources of the kernel and of libslirp show two gaps: a
 * socket bound to a device (SO_BINDTODEVICE) ignores an unreachable route, and a packet to 255.255.255.255, which libslirp
 * delivers to the host's loopback, needs no route. test/integration/provider/sandbox-boundary.test.ts tests the rules.
 */
import { isIPv4 } from "node:net";
import { CbError } from "../../core/errors.ts";

/** The host's loopback as a sandbox sees it: slirp4netns translates the second address of its network into 127.0.0.1. */
export const HOST_LOOPBACK = "10.0.2.2";
/** Address at which slirp4netns forwards DNS to the host's resolver. */
export const SANDBOX_RESOLVER = "10.0.2.3";
/** The default network of slirp4netns. */
const SANDBOX_NETWORK = "10.0.2.0/24";

/** A TCP port of the host that a sandbox may reach. */
export interface HostPort {
  /** IPv4 address as the sandbox sees it: HOST_LOOPBACK, or an address of the host itself. */
  readonly address: string;
  readonly port: number;
}

export interface EgressPolicy {
  readonly allowHostPorts: readonly HostPort[];
  /** The host's own IPv4 addresses and networks, and further closed ones: "192.0.2.7" or "10.1.0.0/16". */
  readonly refused: readonly string[];
}

/** This network, loopback, link-local (cloud metadata), multicast, reserved and broadcast: RFC 6890. */
const ALWAYS_REFUSED = ["0.0.0.0/8", SANDBOX_NETWORK, "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/** Returns the text for `nft -f`. Throws CbError "config" when a value is no IPv4 address, network or port. */
export function egressRules(policy: EgressPolicy): string {
  const refused = [...ALWAYS_REFUSED, ...policy.refused.map(checkedNetwork)];
  const allowed = policy.allowHostPorts
    .map(checkedPort)
    .map(({ address, port }) => `    ip daddr ${address} tcp dport ${port} accept`);
  return [
    "table inet container-builder {",
    "  set refused {",
    "    type ipv4_addr",
    "    flags interval",
    "    auto-merge",
    `    elements = { ${refused.join(", ")} }`,
    "  }",
    "  chain output {",
    "    type filter hook output priority 0; policy drop;",
    '    oifname "lo" accept',
    `    ip daddr ${SANDBOX_RESOLVER} meta l4proto { tcp, udp } th dport 53 accept`,
    ...allowed,
    "    ip daddr @refused reject with icmp type admin-prohibited",
    '    oifname "tap0" ip protocol { tcp, udp, icmp } accept',
    "  }",
    "}",
  ].join("\n");
}

/**
 * Returns the host's own addresses, networks and broadcast addresses, from the text of /proc/net/fib_trie. The source is the
 * routing table and not the list of interfaces, because an address on an interface without a carrier is still reachable.
 */
export function localNetworks(fibTrie: string): string[] {
  const found = new Set<string>();
  let address = "";
  for (const line of fibTrie.split("\n")) {
    const leaf = /\|-- (\d+\.\d+\.\d+\.\d+)$/.exec(line)?.[1];
    if (leaf !== undefined) address = leaf;
    const length = /^\s+\/(\d+) (?:host LOCAL|link BROADCAST)/.exec(line)?.[1];
    if (length !== undefined && address !== "") found.add(length === "32" ? address : `${address}/${length}`);
  }
  return [...found];
}

function checkedNetwork(network: string): string {
  const [address = "", length = "32", ...rest] = network.split("/");
  const valid = rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) <= 32;
  if (!valid)
    throw new CbError("config", `not an IPv4 address or network: ${network}`, { hint: "use the format 192.0.2.0/24" });
  return network;
}

function checkedPort(allowed: HostPort): HostPort {
  const valid = isIPv4(allowed.address) && Number.isInteger(allowed.port) && allowed.port > 0 && allowed.port < 65536;
  if (valid) return allowed;
  throw new CbError("config", `not an IPv4 address and port: ${allowed.address}:${allowed.port}`, {
    hint: `for a port on the host's loopback use ${HOST_LOOPBACK} and the port`,
  });
}
