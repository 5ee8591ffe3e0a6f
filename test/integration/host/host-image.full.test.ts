// timeout: 2400 s
// alone: the machine boots systemd under emulation, which takes minutes when other files run.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect, type NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ensureHostImage } from "../../../infra/image/host/image.ts";
import { testCache } from "../../support/rootfs.ts";
import { until } from "../../support/until.ts";
import { type HostMachine, makeDisks, startHost } from "./host-machine.ts";
import { makePackage, QUEUE_ERROR } from "./host-package.ts";

const test = suite("the host image");
const run = promisify(execFile);
/** Under emulation on two busy cores a start took up to six minutes. */
const BOOT_MS = 900_000;
const SERVER_NAME = "nats.test";
const SEED = "SUAFAKESEEDTHATMUSTNEVERBEONADISK0123456789ABCDEFGHIJKLMNO";
const ETC = "etc/container-builder";
let home: string;
let image: string;
let machine: HostMachine | undefined;

test.before(async () => {
  home = await mkdtemp(join(tmpdir(), "cb-host-"));
  const packageFile = await makePackage(join(home, "package"));
  image = await ensureHostImage({ cacheDir: testCache(), packageFile });
});
test.after(async () => {
  machine?.process.kill("SIGKILL");
  await rm(home, { recursive: true, force: true });
});

/** Makes the config drive, and returns its path. */
async function makeDrive(publicKey: string): Promise<string> {
  const tls = join(home, "config", ETC, "tls");
  await mkdir(tls, { recursive: true });
  const subject = ["-subj", `/CN=${SERVER_NAME}`, "-addext", `subjectAltName=DNS:${SERVER_NAME}`];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(tls, "server.key")];
  await run("openssl", ["req", "-x509", ...key, ...subject, "-out", join(tls, "server.crt"), "-days", "30"]);
  const conf = `listen: "0.0.0.0:4222"\njetstream { store_dir: "/var/lib/cb-nats/jetstream" }
tls { cert_file: "/${ETC}/tls/server.crt", key_file: "/${ETC}/tls/server.key" }\n`;
  await writeFile(join(home, "config", ETC, "nats-server.conf"), conf);
  await writeFile(join(home, "config", ETC, "guest-signing.seed"), SEED);
  await writeFile(join(home, "config", ETC, "queue.yaml"), "{}\n");
  const latest = join(home, "drive/openstack/latest");
  await mkdir(latest, { recursive: true });
  await run("tar", ["-C", join(home, "config"), "-czf", join(latest, "user_data"), ETC]);
  const route = { network: "0.0.0.0", netmask: "0.0.0.0", gateway: "10.0.2.2" };
  const address = { ip_address: "10.0.2.77", netmask: "255.255.255.0", routes: [route] };
  const network = {
    links: [{ id: "l", type: "phy", ethernet_mac_address: "52:54:00:12:34:56", mtu: 1400 }],
    networks: [{ id: "n", type: "ipv4", link: "l", ...address }],
  };
  const meta = { hostname: "cb-nats-1.example", public_keys: { operator: publicKey } };
  await writeFile(join(latest, "meta_data.json"), JSON.stringify(meta));
  await writeFile(join(latest, "network_data.json"), JSON.stringify(network));
  const iso = join(home, "drive.iso");
  await run("genisoimage", ["-quiet", "-V", "config-2", "-J", "-r", "-o", iso, join(home, "drive")]);
  return iso;
}

/** Connects with the installation's certificate as the only trusted one. */
async function connectTo({ nats, serial }: HostMachine): Promise<NatsConnection> {
  const ca = await readFile(join(home, "config", ETC, "tls/server.crt"), "utf8");
  const options = { servers: `tls://127.0.0.1:${nats}`, tls: { ca, servername: SERVER_NAME }, timeout: 20_000 };
  const once = () => connect({ ...options, reconnect: false }).catch(() => undefined);
  return await until("NATS answers over TLS", once, BOOT_MS).catch(async (cause: unknown) => {
    throw new Error(`NATS does not answer; the console:\n${await serial()}`, { cause });
  });
}

test("a host with a config drive and a blank volume serves NATS by TLS and ssh by key, and keeps its data over a restart", async () => {
  const key = join(home, "key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const drive = await makeDrive(await readFile(`${key}.pub`, "utf8"));
  await makeDisks(home, image);

  machine = await startHost(home, drive, "first");
  let connection = await connectTo(machine);
  await (await connection.jetstreamManager()).streams.add({ name: "S", subjects: ["s"] });
  for (let at = 0; at < 100; at++) await connection.jetstream().publish("s", `message ${at}`);
  await connection.close();

  const options = [
    "StrictHostKeyChecking=no",
    `UserKnownHostsFile=${join(home, "known")}`,
    "ConnectTimeout=60",
    "LogLevel=ERROR",
  ];
  const ssh = (port: number, more: readonly string[], command: string) =>
    run("ssh", [
      "-p",
      String(port),
      ...options.flatMap((option) => ["-o", option]),
      ...more,
      "root@127.0.0.1",
      command,
    ]);
  const state = `hostname; findmnt -no SOURCE,FSTYPE /var/lib/cb-nats; findmnt -no FSTYPE /${ETC}
    stat -c '%a %U:%G %n' /${ETC}/nats-server.conf /${ETC}/guest-signing.seed; df --output=size -BG / | tail -1; systemctl is-active cb-queue`;
  const { stdout } = await ssh(machine.ssh, ["-i", key], `${state} || true`);
  assert.equal(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.trim().replace(/\s+/g, " ")),
    [
      "cb-nats-1",
      "/dev/vdb ext4",
      "tmpfs",
      `640 root:cb-nats /${ETC}/nats-server.conf`,
      `640 root:cb-queue /${ETC}/guest-signing.seed`,
      "8G",
      "failed",
    ],
  );
  assert.match(await machine.serial(), new RegExp(`cb-queue has failed: exit-code 78[^]*${QUEUE_ERROR}`));
  const password = ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes"];
  const denied = await ssh(machine.ssh, password, "true").catch((error: { stderr: string }) => error);
  assert.match(denied.stderr, /Permission denied \(publickey\)/);
  await machine.powerDown();

  const disks = await Promise.all(["root.qcow2", "data.raw"].map((name) => readFile(join(home, name))));
  assert.ok(disks[0]?.includes("127.0.1.1 cb-nats-1"), "the search finds a text that is on the disk");
  const secretKey = (await readFile(join(home, "config", ETC, "tls/server.key"), "utf8")).split("\n")[1] ?? "";
  for (const secret of [SEED, secretKey]) assert.not.ok(disks.some((disk) => disk.includes(secret)));

  machine = await startHost(home, drive, "second");
  connection = await connectTo(machine);
  const info = await (await connection.jetstreamManager()).streams.info("S");
  assert.is(info.state.messages, 100);
  await connection.close();
  await machine.powerDown();
  assert.match(await machine.serial(), /the data of NATS are on \/dev\/vdb/);
});

test.run();
