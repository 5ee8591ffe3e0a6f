// timeout: 1200 s
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { diskManifest } from "../../support/disk-manifest.ts";
import { configDrive, runMachine, SHELL_AGENT } from "../../support/machine.ts";
import { testCache } from "../../support/rootfs.ts";

const test = suite("the disk image");
const run = promisify(execFile);
const signal = () => AbortSignal.timeout(600_000);
const NETWORK = ["-device", "virtio-net-pci,netdev=n,romfile=,mac=52:54:00:12:34:56"];
let home: string;
let agentFile: string;
let disk: string;

test.before(async () => {
  home = await mkdtemp(join(tmpdir(), "cb-disk-"));
  agentFile = join(home, "agent");
  await writeFile(agentFile, SHELL_AGENT);
  disk = await ensureDiskImage({ cacheDir: testCache(), agentFile });
});
test.after(() => rm(home, { recursive: true, force: true }));

/**
 * The user data: a script that prints the machine's settings. A listening socket is a TCP socket in that state, or a UDP socket
 * that is bound and not connected: netstat prints no state for the latter. The DHCP client needs no exception, because it has no
 * socket between a lease and its renewal, which is hours later with these servers.
 */
const PRINT_SETTINGS = `echo "I am $(id -un) on $(hostname), $(stat -c '%a %U' /run/container-builder/user-data)"
busybox ip -o -4 addr show dev eth0 | sed 's/.*inet \\([^ ]*\\).*/address \\1/'
busybox ip route | sed 's/^/route /'; busybox ip link show eth0 | grep -o 'mtu [0-9]*'
sed 's/^/resolv /' /etc/resolv.conf; echo "MiB $(($(stat -f -c '%b * %S' /) / 1048576))"
busybox netstat -lntu | sed -n 's/^[tu]/listens &/p'; echo "listening $(busybox netstat -lntu | grep -c '^[tu]')"
exit 3`;

test("on a pc board with a virtio disk and an IDE config drive, the machine reads name, network and user data from the drive", async () => {
  const network = {
    links: [{ id: "l", type: "phy", ethernet_mac_address: "52:54:00:12:34:56", mtu: 1400 }],
    networks: [
      {
        id: "n",
        type: "ipv4",
        link: "l",
        ip_address: "10.0.2.77",
        netmask: "255.255.255.0",
        routes: [{ network: "0.0.0.0", netmask: "0.0.0.0", gateway: "10.0.2.2" }],
      },
    ],
    services: [{ type: "dns", address: "10.0.2.3" }],
  };
  const iso = await configDrive(home, {
    user_data: PRINT_SETTINGS,
    "meta_data.json": JSON.stringify({ hostname: "cb-77.novalocal" }),
    "network_data.json": JSON.stringify(network),
  });
  const drive = ["-drive", `if=ide,media=cdrom,readonly=on,format=raw,file=${iso}`];
  const extra = ["-netdev", "user,id=n,restrict=on", ...NETWORK, ...drive];
  const printed = await runMachine({ disk, folder: home, board: "pc", bus: "virtio", extra, signal: signal() });
  assert.match(printed, /^I am root on container-builder, 600 root\r?$/m, printed);
  assert.match(printed, /^address 10\.0\.2\.77\/24\r?$/m, printed);
  assert.match(printed, /^route default via 10\.0\.2\.2 dev eth0/m, printed);
  assert.match(printed, /^mtu 1400\r?$/m, printed);
  assert.match(printed, /^resolv nameserver 10\.0\.2\.3\r?$/m, printed);
  const size = Number(/^MiB (\d+)/m.exec(printed)?.[1]);
  assert.ok(size > 3800, `the root file system has ${size} MiB of a disk of 4096`);
  assert.match(printed, /^listening 0\r?$/m, printed);
  assert.match(printed, /agent ended with exit code 3; switching off/, printed);
});

test("on a q35 board with a SCSI disk and no config drive, the machine takes a lease and reads the metadata service", async () => {
  const documents: Record<string, string> = {
    "/openstack/latest/user_data": PRINT_SETTINGS,
    "/openstack/latest/meta_data.json": JSON.stringify({ name: "by-service" }),
  };
  const server = await serve(documents);
  const { port } = server.address() as AddressInfo;
  const relay = join(home, "relay");
  await writeFile(relay, `exec 3<>/dev/tcp/127.0.0.1/${port}; cat <&3 & exec cat >&3`);
  const guest = `guestfwd=tcp:169.254.169.254:80-cmd:bash ${relay}`;
  const range = "net=169.254.0.0/16,host=169.254.2.2,dhcpstart=169.254.2.15,dns=169.254.2.3";
  const extra = ["-netdev", `user,id=n,restrict=on,${range},${guest}`, ...NETWORK];
  try {
    const printed = await runMachine({ disk, folder: home, board: "q35", bus: "scsi", extra, signal: signal() });
    assert.match(printed, /^I am root on container-builder, 600 root\r?$/m, printed);
    assert.match(printed, /^address 169\.254\.2\.15\/16\r?$/m, printed);
    assert.match(printed, /^listening 0\r?$/m, printed);
  } finally {
    server.close();
  }
});

async function serve(documents: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer(({ url = "" }, response) => {
    const body = documents[url];
    response.writeHead(body === undefined ? 404 : 200, { connection: "close" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

test("two images of one day have the same files with the same contents, modes, owners and links", async () => {
  const cacheDir = join(home, "second");
  const other = await ensureDiskImage({ cacheDir, agentFile });
  const [first, second] = [await diskManifest(disk, join(home, "a")), await diskManifest(other, join(home, "b"))];
  assert.ok(first.size > 1000, `${first.size} paths are too few for a system`);
  const names = [...new Set([...first.keys(), ...second.keys()])];
  assert.equal(
    names.filter((name) => first.get(name) !== second.get(name)),
    [],
  );
  const folders = await readdir(cacheDir);
  for (const name of folders)
    await run("unshare", ["--user", "--map-auto", "--map-root-user", "rm", "-rf", join(cacheDir, name)]);
});

test.run();
