import { suite } from "uvu";
import * as assert from "uvu/assert";
import { egressRules, HOST_LOOPBACK, localNetworks } from "../../../../lib/provider/sandbox/egress.ts";

const test = suite("egress");

/** Shortened from /proc/net/fib_trie of a host with one interface. Parent prefixes have the format of leaves. */
const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.0.2.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
`;

test("localNetworks() returns local addresses, networks and broadcast addresses, and no neighbours", () => {
  assert.equal(localNetworks(FIB_TRIE), ["127.0.0.0/8", "127.0.0.1", "127.255.255.255", "192.0.2.2", "192.0.2.255"]);
  assert.equal(localNetworks(""), []);
});

test("egressRules() drops by default, and accepts an allowed host port before it refuses the host", () => {
  const rules = egressRules({ allowHostPorts: [{ address: HOST_LOOPBACK, port: 4222 }], refused: ["192.0.2.2"] });
  const position = (text: string) => {
    assert.match(rules, text);
    return rules.indexOf(text);
  };
  assert.match(rules, "policy drop;");
  assert.ok(position("ip daddr 10.0.2.2 tcp dport 4222 accept") < position("ip daddr @refused reject"));
  assert.ok(position("ip daddr @refused reject") < position('oifname "tap0" ip protocol'));
  for (const closed of ["10.0.2.0/24", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "192.0.2.2 }"]) position(closed);
});

test("egressRules() throws for invalid addresses, networks and ports, so that none is read as nft syntax", () => {
  for (const refused of ["::1", "192.0.2.0/33", "192.0.2.2, 0.0.0.0/0", "", "localhost"]) {
    assert.throws(() => egressRules({ allowHostPorts: [], refused: [refused] }), /not an IPv4/);
  }
  for (const port of [0, 65_536, 1.5]) {
    assert.throws(() => egressRules({ allowHostPorts: [{ address: "10.0.2.2", port }], refused: [] }), /not an IPv4/);
  }
  assert.throws(() => egressRules({ allowHostPorts: [{ address: "localhost", port: 1 }], refused: [] }), /not an IPv4/);
  egressRules({ allowHostPorts: [{ address: "10.0.2.2", port: 65_535 }], refused: ["192.0.2.0/32"] });
});

test.run();
