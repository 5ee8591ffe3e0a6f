/** Root inside a sandbox tries to break out. Each test names one kind of attempt, in a sandbox like that of a builder. */
// slow: starts ten sandboxes, and waits for connections that must fail.
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { HOST_LOOPBACK, localNetworks } from "../../../lib/provider/sandbox/egress.ts";
import { DEFAULT_LIMITS, type SandboxLimits } from "../../../lib/provider/sandbox/launch.ts";
import { SandboxProvider } from "../../../lib/provider/sandbox/provider.ts";
import { allOf, inside, SCRIPT_AGENT, succeeded } from "../../support/inside-sandbox.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted } from "../../support/sandboxes.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const test = suite("sandbox-boundary");

let onLoopback: Server;
let onAll: Server;
let allowed: Server;
let udp: Socket;
let bystander: ChildProcess;
const datagrams: string[] = [];

test.before(async () => {
  onLoopback = await listen("127.0.0.1");
  onAll = await listen("0.0.0.0");
  allowed = await listen("127.0.0.1");
  udp = createSocket("udp4").on("message", (message) => datagrams.push(message.toString()));
  udp.bind(0, "0.0.0.0");
  await once(udp, "listening");
  cleanUpWhenInterrupted(home, [providerWith(DEFAULT_LIMITS)], () => bystander.kill("SIGKILL"));
  bystander = spawn("sleep", ["1000"]);
  await once(bystander, "spawn");
  // Root of a sandbox has no rights on the host, so a bound folder must be readable by others.
  await chmod(home, 0o755);
  await writeFile(join(home, "canary-of-the-host"), "host", { mode: 0o644 });
});
test.after(async () => {
  for (const server of [onLoopback, onAll, allowed]) server.close();
  udp.close();
  bystander.kill("SIGKILL");
  await rm(home, { recursive: true, force: true });
});

async function listen(address: string): Promise<Server> {
  const server = createServer((socket) => socket.end("reached")).listen(0, address);
  await once(server, "listening");
  return server;
}

function portOf(server: Server | Socket): number {
  return (server.address() as AddressInfo).port;
}

/** Runs a script in a sandbox with these limits and resolves with its output. */
const insideWith = (script: string, limits = DEFAULT_LIMITS): Promise<string> => inside(providerWith(limits), script);

function providerWith(limits: SandboxLimits): SandboxProvider {
  return new SandboxProvider({
    stateDir: join(home, "state"),
    rootfs,
    installation: "test",
    agentCommand: SCRIPT_AGENT,
    agentBinds: [{ from: home, to: "/opt/agent" }],
    allowHostPorts: [{ address: HOST_LOOPBACK, port: portOf(allowed) }],
    limits,
  });
}

/** Tries connections from inside. Resolves with "open", "silent" or the error's code for each target. */
async function connect(targets: readonly string[]): Promise<Record<string, string>> {
  const code = `
    const { connect } = require("node:net");
    for (const target of ${JSON.stringify(targets)}) {
      const [host, port] = target.split(" ");
      const socket = connect({ host, port: Number(port) });
      const report = (result) => { console.log("RESULT " + JSON.stringify([target, result])); socket.destroy(); };
      socket.once("connect", () => report("open")).once("error", (error) => report(error.code));
      socket.setTimeout(3000, () => report("silent"));
    }`;
  const printed = await insideWith(`node -e '${code}'`);
  const results = [...printed.matchAll(/^RESULT (.*)$/gm)].map(
    ([, json]) => JSON.parse(json ?? "") as [string, string],
  );
  assert.is(results.length, targets.length, printed);
  return Object.fromEntries(results);
}

async function hostAddresses(): Promise<string[]> {
  const plain = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  const routed = localNetworks(await readFile("/proc/net/fib_trie", "utf8")).filter(
    (network) => !network.includes("/"),
  );
  return [
    ...new Set([HOST_LOOPBACK, "127.0.0.1", "::1", "0.0.0.0", "10.0.2.3", "169.254.169.254", ...plain, ...routed]),
  ];
}

test("the allowed port is open, and every other port is closed on every address of the host", async () => {
  const addresses = await hostAddresses();
  const forbidden = [onLoopback, onAll].flatMap((server) => addresses.map((address) => `${address} ${portOf(server)}`));
  const permitted = `${HOST_LOOPBACK} ${portOf(allowed)}`;
  const { [permitted]: allowedResult, ...others } = await connect([permitted, ...forbidden]);
  assert.is(allowedResult, "open");
  assert.equal(
    Object.entries(others).filter(([, result]) => result === "open"),
    [],
  );
  assert.is(Object.keys(others).length, forbidden.length);
});

test("device-bound sockets and broadcast datagrams do not bypass the filter", async () => {
  // perl-base offers socket options that Node does not: SO_BINDTODEVICE is 25. slirp delivers 255.255.255.255 to the host.
  const perl = `
    use Socket;
    for my $to ("255.255.255.255", "10.0.2.255", "10.0.2.2", "224.0.0.1") {
      for my $device ("", "tap0\\0") {
        socket(my $s, PF_INET, SOCK_DGRAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1) or die;
        if ($device) { setsockopt($s, SOL_SOCKET, 25, $device) or die; }
        send($s, "to $to", 0, pack_sockaddr_in(${portOf(udp)}, inet_aton($to)));
      }
    }
    for my $port (${portOf(onLoopback)}, ${portOf(onAll)}, ${portOf(allowed)}) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, 25, "tap0\\0") or die;
      print "TCP $port ", (connect($s, pack_sockaddr_in($port, inet_aton("10.0.2.2"))) ? "open" : "closed"), "\\n";
    }`;
  const printed = await insideWith(`perl -e '${perl}'`);
  assert.match(printed, `TCP ${portOf(onLoopback)} closed`);
  assert.match(printed, `TCP ${portOf(onAll)} closed`);
  assert.match(printed, `TCP ${portOf(allowed)} open`);
  assert.equal(datagrams, []);
});

test("routes, devices and the filter cannot be changed from inside", async () => {
  const attempts = {
    "flush filter": "nft flush ruleset",
    "delete table": "nft delete table inet container-builder",
    "add route": "busybox ip route add 192.0.2.77 dev tap0",
    "add address": "busybox ip addr add 192.0.2.77/32 dev tap0",
    "set device": "busybox ip link set tap0 down",
    "raw socket": `perl -e 'use Socket; socket(my $s, PF_INET, SOCK_RAW, 1) or exit 1'`,
    "packet socket": `perl -e 'socket(my $s, 17, 3, 768) or exit 1'`,
    "nested namespaces": "unshare --user --map-root-user nft flush ruleset",
    "enter the first process": "nsenter --target 1 --user true",
  };
  const printed = await insideWith(allOf(attempts));
  assert.equal(succeeded(printed), [], printed);
});

test("host devices cannot be made or opened, nor file systems of the host mounted", async () => {
  const device = (await readdir("/sys/block")).find((name) => !/^(loop|ram)/.test(name)) ?? "loop0";
  const [major, minor] = (await readFile(`/sys/block/${device}/dev`, "utf8")).trim().split(":");
  const attempts = {
    "make a block device": `mknod /tmp/disk b ${major} ${minor} && head -c 1 /tmp/disk`,
    "make kmem": "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem",
    "make kmsg": "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg",
    "open the disk": `head -c 1 /dev/${device}`,
    "mount devtmpfs": "mount -t devtmpfs none /mnt",
    "mount the disk": `mount /dev/${device} /mnt`,
    "write the agent's files": "touch /opt/agent/written",
    "make them writable": "mount -o remount,bind,rw /opt/agent",
    "load a module": "busybox insmod /nonexistent || busybox modprobe dummy",
    "set the clock": "date -s @0",
  };
  const printed = await insideWith(allOf(attempts));
  assert.equal(succeeded(printed), [], printed);
});

test("/proc/sys is read-only, and a fresh /proc opens nothing but settings of the sandbox's own namespaces", async () => {
  const printed = await insideWith(`
    open_in() {
      for file in $(find "$1/sys" -type f) "$1/sysrq-trigger" "$1/kcore" "$1/kmsg"; do
        if (exec 3>>"$file") 2>/dev/null; then echo "OPEN $file"; fi
      done
    }
    open_in /proc
    echo core >/proc/sys/kernel/core_pattern && echo "WROTE core_pattern"
    mount -t proc proc /mnt
    open_in /mnt
    echo 1 >/mnt/sys/vm/drop_caches && echo "WROTE drop_caches"
    echo 1 >/mnt/sys/net/ipv4/ip_forward && echo "WROTE ip_forward"
    umount /proc/sys; echo core >/proc/sys/kernel/core_pattern && echo "WROTE core_pattern"`);
  const own = /^OPEN \/mnt\/sys\/(user\/|fs\/mqueue\/|kernel\/(auto_msg|msg|sem|shm|ns_last_pid$|pid_max$))/;
  const opened = printed.match(/^(OPEN|WROTE) .*/gm) ?? [];
  assert.equal(
    opened.filter((line) => !own.test(line)),
    [],
  );
});

test("a process of the host is neither visible nor reachable by signals", async () => {
  const { pid } = bystander;
  const printed = await insideWith(`
    kill -9 ${pid} && echo "SIGNALLED ${pid}"
    ls /proc | grep -x ${pid} && echo "VISIBLE"
    grep -al 'sleep.1000' /proc/[0-9]*/cmdline && echo "VISIBLE by name"
    kill -9 -1`);
  assert.not.match(printed, /SIGNALLED|VISIBLE/);
  assert.is(bystander.exitCode, null);
  assert.is(bystander.signalCode, null);
});

test("no file of the host is visible, except the read-only binds", async () => {
  const printed = await insideWith(`
    ls ${home} && echo "VISIBLE ${home}"
    cat /opt/agent/canary-of-the-host && echo " BOUND"
    find / -xdev -name canary-of-the-host | grep -v ^/opt/agent && echo "VISIBLE a copy"
    ls /proc/1/root/${home} /proc/1/cwd/${home} && echo "VISIBLE through proc"
    grep -c . /proc/self/mountinfo
    ls -l /proc/1/fd | grep -v -E 'total|pipe|/dev/null|/run/container-builder/init' && echo "VISIBLE a descriptor"`);
  assert.match(printed, "host BOUND");
  assert.not.match(printed, /VISIBLE/);
});

test("a fork bomb stops at the process limit, counted over all ids", async () => {
  const limits = { processes: 300, files: 1000 };
  const perl = `
    sub bomb { my $n = 0; while ($n < $_[0]) { my $kid = fork; last unless defined $kid; if (!$kid) { sleep 60; exit } $n++ } $n }
    my $first = bomb(200);
    my $kid = fork; if (!$kid) { $( = $) = 65534; $> = $< = 65534; print "MOST ", $first + bomb(1000), "\\n"; exit }
    waitpid $kid, 0;`;
  const printed = await insideWith(`perl -e '${perl}'`, limits);
  const most = Number(/^MOST (\d+)$/m.exec(printed)?.[1]);
  assert.ok(most > 200 && most < 300, printed);
});

test("a sandbox reaches the package mirror by name", async () => {
  const { mirror } = await hostAptSettings();
  const printed = await insideWith(
    `wget --no-verbose --timeout=20 -O /tmp/release ${mirror}/dists/trixie/InRelease && echo "REACHED"`,
  );
  assert.match(printed, "REACHED");
});

/** The mounts of the host. Other test files run at the same time; their mounts, in temporary folders of their own, are left out. */
async function hostMounts(): Promise<string[]> {
  const own = tmpdir();
  const runner = dirname(dirname(own));
  const isOfOtherTest = (point = ""): boolean =>
    runner !== "/" && point.startsWith(`${runner}/`) && !point.startsWith(`${own}/`);
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.filter((line) => !isOfOtherTest(line.split(" ")[4]));
}

test("a sandbox changes neither the host's mounts nor the rootfs", async () => {
  const before = await hostMounts();
  const marker = join(rootfs, "written-by-a-test");
  await insideWith("touch /written-by-a-test; mount -t tmpfs none /mnt; rm -rf /usr/share/perl /etc/apt");
  assert.equal(await hostMounts(), before);
  assert.is(await stat(marker).catch(() => "absent"), "absent");
  assert.ok(await stat(join(rootfs, "etc/apt")));
});

test.run();
