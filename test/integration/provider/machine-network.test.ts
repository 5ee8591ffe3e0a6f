import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DISK_FOLDER } from "../../../lib/provider/sandbox/scripts.ts";

const test = suite("a machine's network.jq");
const PROGRAM = join(DISK_FOLDER, "guest/usr/lib/container-builder/network.jq");
const CARDS = "eth0 fa:16:3e:00:00:01\neth1 fa:16:3e:00:00:02\n";

/** Returns the commands for the init, one per line. */
async function planFor(network: unknown, options: { meta?: unknown; cards?: string } = {}): Promise<string[]> {
  const text = (value: unknown) => (value === undefined ? "" : JSON.stringify(value));
  const values = { cards: options.cards ?? CARDS, meta: text(options.meta), network: text(network) };
  const args = Object.entries(values).flatMap(([name, value]) => ["--arg", name, value]);
  const { stdout } = await promisify(execFile)("jq", ["-nr", ...args, "-f", PROGRAM]);
  return stdout.trimEnd().split("\n");
}

const link = (id: string, mac: string, more = {}) => ({ id, type: "ovs", ethernet_mac_address: mac, ...more });

test("a static network becomes address, routes and resolvers on the card with that address", async () => {
  const network = {
    links: [link("tap0", "FA:16:3E:00:00:02", { mtu: 1450 })],
    networks: [
      {
        id: "network0",
        type: "ipv4",
        link: "tap0",
        ip_address: "10.77.0.12",
        netmask: "255.255.240.0",
        routes: [
          { network: "0.0.0.0", netmask: "0.0.0.0", gateway: "10.77.0.1" },
          { network: "10.9.0.0", netmask: "255.255.255.192", gateway: "10.77.0.2" },
        ],
        services: [{ type: "dns", address: "10.77.0.3" }],
      },
    ],
    services: [
      { type: "dns", address: "10.77.0.3" },
      { type: "ntp", address: "10.77.0.4" },
    ],
  };
  assert.equal(await planFor(network, { meta: { hostname: "cb-1234.novalocal" } }), [
    "'set_hostname' 'cb-1234'",
    "'up' 'eth1' '1450'",
    "'address' 'eth1' '10.77.0.12/20'",
    "'route' 'eth1' '0.0.0.0/0' '10.77.0.1'",
    "'route' 'eth1' '10.9.0.0/26' '10.77.0.2'",
    "'resolver' '10.77.0.3'",
  ]);
});

test("DHCP runs on the card of an ipv4_dhcp network, and on every card when the metadata has no network", async () => {
  const networks = [{ id: "network0", type: "ipv4_dhcp", link: "tap0" }];
  const network = { links: [link("tap0", "fa:16:3e:00:00:01", { mtu: null })], networks };
  assert.equal(await planFor(network), ["'set_hostname' 'builder'", "'up' 'eth0'", "'dhcp' 'eth0'"]);
  for (const empty of [undefined, {}, { links: [], networks: [] }]) {
    const plan = await planFor(empty);
    assert.equal(plan, ["'set_hostname' 'builder'", "'up' 'eth0'", "'dhcp' 'eth0'", "'up' 'eth1'", "'dhcp' 'eth1'"]);
  }
});

test("an IPv6 network keeps its prefix, from the address or from the netmask", async () => {
  const routes = [{ network: "::", netmask: "::", gateway: "fd00::1" }];
  const base = { id: "network0", type: "ipv6", link: "tap0", routes };
  for (const form of [{ ip_address: "fd00::5/64" }, { ip_address: "fd00::5", netmask: "ffff:ffff:ffff:ffff::" }]) {
    const network = { links: [link("tap0", "fa:16:3e:00:00:01")], networks: [{ ...base, ...form }] };
    const plan = await planFor(network);
    assert.equal(plan.slice(2), ["'address' 'eth0' 'fd00::5/64'", "'route' 'eth0' '::/0' 'fd00::1'"]);
  }
});

test("a link without a card is logged, and its networks are not set up", async () => {
  const networks = [{ id: "network0", type: "ipv4", link: "tap0", ip_address: "10.0.0.2", netmask: "255.0.0.0" }];
  const plan = await planFor({ links: [link("tap0", "fa:16:3e:99:99:99")], networks });
  assert.equal(plan.length, 2);
  assert.match(plan[1] ?? "", /^'log' 'no card has the address fa:16:3e:99:99:99 of link tap0 \(ovs\)'$/);
});

test("a network of an unsupported type is logged with its id and type", async () => {
  const networks = [{ id: "network7", type: "infiniband", link: "tap0" }];
  const plan = await planFor({ links: [link("tap0", "fa:16:3e:00:00:01")], networks });
  assert.match(plan.at(-1) ?? "", /^'log' 'network network7 has the type infiniband/);
});

test("metadata cannot inject a command", async () => {
  const plan = await planFor(undefined, { meta: { hostname: "x'; poweroff; '" }, cards: "" });
  assert.equal(plan, ["'set_hostname' 'x'\\''; poweroff; '\\'''"]);
});

test.run();
