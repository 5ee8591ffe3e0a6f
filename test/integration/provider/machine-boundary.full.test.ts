/** The host ports that a machine reaches, the id of its QEMU, its life after its creator exits, and a disk that cannot be made. */
// timeout: 900 s
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { type MachineOptions, MachineProvider } from "../../../lib/provider/qemu/machine.ts";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { SHELL_AGENT } from "../../support/machine.ts";
import { newSpec, nothingLeft, observedAs, signal, untilPrinted } from "../../support/provider-contract.ts";
import { testCache, testMachineRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll, RecordingProvider } from "../../support/sandboxes.ts";

const test = suite("the boundary of machines");
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const stateDir = join(home, "state");
const agentFile = join(home, "agent");
await writeFile(agentFile, SHELL_AGENT);
const disk = await ensureDiskImage({ cacheDir: testCache(), agentFile });
const rootfs = await testMachineRootfs();

/** Two services of the host: one port is open to machines, as the port of NATS is, and one is closed. */
const [open, closed] = [await listen(), await listen()];

const options: MachineOptions = {
  stateDir,
  rootfs,
  disk,
  installation: "test",
  cores: 1,
  memoryMib: 512,
  diskGib: 3,
  acceleration: "auto",
  allowHostPorts: [{ address: "10.0.2.2", port: open.port }],
  allowWeak: [],
};

const provider = new RecordingProvider(new MachineProvider(options), stateDir);
cleanUpWhenInterrupted(home, [provider]);

test.after.each(() => destroyAll(provider));
test.after(async () => {
  for (const { server } of [open, closed]) server.close();
  await rm(home, { recursive: true, force: true });
});

/** Living processes of destroyed machines, processes with a current folder in `home`, mounts in it, and folders of machines. */
async function leftovers(): Promise<string[]> {
  const processes = await provider.processesLeft();
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const found = [...folders, ...mounts].filter((line) => line.includes(home));
  return [...processes.map(String), ...found, ...(await readdir(stateDir))];
}

/** Prints a line "NAME open" or "NAME closed" per address, and then "checked". */
const CHECK_PORTS = (openPort: number, closedPort: number) => `
reaches() { timeout 10 bash -c "exec 3<>/dev/tcp/$2" 2>/dev/null && echo "$1 open" || echo "$1 closed"; }
reaches nats 10.0.2.2/${openPort}
reaches other 10.0.2.2/${closedPort}
reaches inner-gateway 10.0.3.2/${closedPort}
reaches metadata 169.254.169.254/80
echo checked; sleep 1000`;

test("a machine reaches the allowed port of the host, and no other port of it", async () => {
  const spec = newSpec("test", CHECK_PORTS(open.port, closed.port));
  await provider.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "checked\r\n");
  const results = Object.fromEntries(
    [...printed.matchAll(/^([a-z-]+) (open|closed)\r$/gm)].map(([, name, is]) => [name, is]),
  );
  const expected = { nats: "open", other: "closed", "inner-gateway": "closed", metadata: "closed" };
  assert.equal(results, expected, printed);
  assert.equal([open.reached(), closed.reached()], [1, 0]);
});

test("a machine outlives its creator, its QEMU runs under another id, and a killed QEMU is a fault", async () => {
  const spec = newSpec("test", "echo up; sleep 1000");
  const module = new URL("../../../lib/provider/qemu/machine.ts", import.meta.url).href;
  const code = `
    import { MachineProvider } from ${JSON.stringify(module)};
    await new MachineProvider(${JSON.stringify(options)}).create(${JSON.stringify(spec)}, AbortSignal.timeout(10000));
    process.kill(process.pid, "SIGKILL");`;
  const creator = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], { stdio: "inherit" });
  assert.is((await once(creator, "exit"))[1], "SIGKILL");
  await untilPrinted(provider, spec.builder, "up\r\n");
  await observedAs(provider, spec.builder, "running");
  const qemu = await qemuOf(spec);
  const status = await readFile(`/proc/${qemu}/status`, "utf8");
  assert.not.equal(
    /^Uid:\t(\d+)/m.exec(status)?.[1],
    String(process.getuid?.()),
    "QEMU must not run under the id of this process",
  );
  assert.match(status, /^Seccomp:\t2$/m, "QEMU's seccomp filter must be on");
  process.kill(qemu, "SIGKILL");
  assert.match(
    (await observedAs(provider, spec.builder, "error")).fault ?? "",
    /^(the machine ended with exit code 137.*|it was killed)$/,
  );
  await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

async function qemuOf({ builder }: BuilderSpec): Promise<number> {
  const supervisor = await readSupervisor(join(stateDir, builder));
  for (const pid of supervisor === undefined ? [] : await processesOf(supervisor)) {
    if ((await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).startsWith("qemu-system")) return pid;
  }
  throw new Error(`${builder} has no QEMU`);
}

test("a disk that cannot be made is a fault with the message of qemu-img", async () => {
  const empty = join(home, "empty.raw");
  await writeFile(empty, "");
  // The format cannot express a size of 2^63 bytes or more.
  const vast = new MachineProvider({ ...options, disk: empty, diskGib: 2 ** 40 });
  const spec = newSpec("test", "");
  await vast.create(spec, signal());
  const { fault = "" } = await observedAs(provider, spec.builder, "error");
  assert.match(fault, /^the machine ended with exit code 1; its last line: qemu-img: /);
  await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

async function listen() {
  let reached = 0;
  const server = createServer((socket) => {
    reached++;
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port, reached: () => reached };
}

test.run();
