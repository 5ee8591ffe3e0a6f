import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DISK_FOLDER, HOST_FOLDER } from "../../../lib/provider/sandbox/scripts.ts";

const test = suite<{ folder: string }>("a host's network");
const NETWORK = join(HOST_FOLDER, "guest/usr/lib/container-builder/host/network");
const MAC = "52:54:00:12:34:56";
const OTHER = "52:54:00:12:34:57";

/** Returns the files that the script writes, by name. */
async function filesFor(folder: string, meta: string, network: string): Promise<Record<string, string>> {
  const out = await mkdtemp(join(folder, "out-"));
  const paths = ["meta", "network", "cards"].map((name) => join(out, `${name}.in`));
  const texts = [meta, network, `${MAC} ${MAC}\n${OTHER} ${OTHER}\n`];
  await Promise.all(paths.map((path, at) => writeFile(path, texts[at] ?? "")));
  const env = { ...process.env, CB_LIBRARY: join(DISK_FOLDER, "guest/usr/lib/container-builder") };
  await promisify(execFile)("bash", [NETWORK, ...paths, out], { env });
  const names = (await readdir(out, { recursive: true })).filter((name) => /hostname$|\.network$|\.conf$/.test(name));
  const entries = names.sort().map(async (name) => [name, await readFile(join(out, name), "utf8")] as const);
  return Object.fromEntries(await Promise.all(entries));
}

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "cb-network-"));
});
test.after(({ folder }) => rm(folder, { recursive: true }));

test("a static network becomes one file that matches the card by its MAC, and resolvers hold for all cards", async ({
  folder,
}) => {
  const network = {
    links: [{ id: "l", type: "phy", ethernet_mac_address: MAC, mtu: 1400 }],
    networks: [
      {
        id: "n",
        type: "ipv4",
        link: "l",
        ip_address: "10.0.2.77",
        netmask: "255.255.255.0",
        routes: [
          { network: "0.0.0.0", netmask: "0.0.0.0", gateway: "10.0.2.2" },
          { network: "10.9.0.0", netmask: "255.255.0.0", gateway: "10.0.2.3" },
        ],
      },
    ],
    services: [{ type: "dns", address: "10.0.2.3" }],
  };
  const files = await filesFor(folder, JSON.stringify({ hostname: "cb-1.example" }), JSON.stringify(network));
  assert.equal(files, {
    hostname: "cb-1\n",
    "network/10-525400123456.network": `[Match]
MACAddress=${MAC}

[Link]
MTUBytes=1400

[Address]
Address=10.0.2.77/24

[Route]
Destination=0.0.0.0/0
Gateway=10.0.2.2

[Route]
Destination=10.9.0.0/16
Gateway=10.0.2.3
`,
    "resolved.conf.d/10-metadata.conf": "[Resolve]\nDNS=10.0.2.3\n",
  });
});

const dhcp = (mac: string) => `[Match]\nMACAddress=${mac}\n\n[Network]\nDHCP=ipv4\n`;
for (const [condition, network] of [
  ["are absent", ""],
  ["are no JSON", "<html>"],
] as const) {
  test(`when the network's metadata ${condition}, each card requests an address by DHCP`, async ({ folder }) => {
    const files = await filesFor(folder, "", network);
    assert.is(files["network/10-525400123456.network"], dhcp(MAC));
    assert.is(files["network/10-525400123457.network"], dhcp(OTHER));
  });
}

test.run();
