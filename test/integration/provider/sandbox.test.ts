/** The sandbox provider: the provider contract, and properties of machines that are processes of this host. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { claimFolder, identityOf, readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { SandboxProvider, type SandboxProviderOptions } from "../../../lib/provider/sandbox/provider.ts";
import {
  newSpec,
  nothingLeft,
  observedAs,
  providerContract,
  signal,
  untilPrinted,
} from "../../support/provider-contract.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll, RecordingProvider } from "../../support/sandboxes.ts";
import { until } from "../../support/until.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const stateDir = join(home, "state");
const test = suite("sandbox");

function providerAt(folder: string, changes: Partial<SandboxProviderOptions> = {}): RecordingProvider {
  const agentCommand = ["bash", "/run/container-builder/user-data"];
  const options = {
    rootfs,
    installation: "test",
    agentCommand,
    agentBinds: [],
    allowHostPorts: [],
    consoleBytes: 100_000,
  };
  return new RecordingProvider(new SandboxProvider({ ...options, stateDir: folder, ...changes }), folder);
}
const provider = providerAt(stateDir);
const other = providerAt(join(home, "other"));
cleanUpWhenInterrupted(home, [provider, other]);

/** Living processes of destroyed sandboxes, processes with a current folder in `home`, mounts in it, and folders of sandboxes. */
async function leftovers(): Promise<string[]> {
  const processes = await provider.processesLeft();
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return [
    ...processes.map(String),
    ...[...folders, ...mounts].filter((line) => line.includes(home)),
    ...(await readdir(stateDir)),
  ];
}

test.after.each(async () => {
  // A failed test must not leave a sandbox, which would make the next test fail.
  await destroyAll(provider);
  await destroyAll(other);
});
test.after(() => rm(home, { recursive: true, force: true }));

providerContract(test, async () => ({
  provider,
  installation: "test",
  printAndStay: (text) => `echo "${text}"; sleep 1000`,
  exitAtOnce: "exit 3",
  leftovers,
}));

test("listMachines() names the fault: the agent's exit code, a kill, a failed start, an interrupted create", async () => {
  const ended = newSpec("test", "printf 'good bye\\033[2J\\n\\n'; exit 3");
  await provider.create(ended, signal());
  const fault = "the agent ended with exit code 3; its last line: good bye";
  assert.is((await observedAs(provider, ended.builder, "error")).fault, fault);

  const shot = newSpec("test", "echo up; kill -KILL $$");
  await provider.create(shot, signal());
  const shotFault =
    "the agent was ended by SIGKILL (sent by a command of the recipe, or the kernel because memory ran out); its last line: up";
  assert.is((await observedAs(provider, shot.builder, "error")).fault, shotFault);

  const killed = newSpec("test", "echo up; sleep 1000");
  await provider.create(killed, signal());
  await untilPrinted(provider, killed.builder, "up");
  for (const pid of await processesIn(killed)) process.kill(pid, "SIGKILL");
  assert.match((await observedAs(provider, killed.builder, "error")).fault ?? "", "killed");

  const missing = newSpec("test", "");
  const broken = providerAt(stateDir, { rootfs: "/nowhere" });
  await broken.create(missing, signal());
  assert.match((await observedAs(provider, missing.builder, "error")).fault ?? "", "/nowhere");

  const interrupted = newSpec("test", "");
  await claimFolder(stateDir, { ...identityOf(interrupted), host: "cb", createdAtMs: Date.now() - 10_000 }, []);
  assert.match((await observedAs(provider, interrupted.builder, "error")).fault ?? "", "interrupted");
  for (const spec of [ended, shot, killed, missing, interrupted]) await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

test("a sandbox locks its root file system and bound files while it runs, and has no descriptor of them inside", async () => {
  const bound = join(home, "bound");
  await writeFile(bound, "");
  const isFree = async () =>
    (await once(spawn("flock", ["--exclusive", "--nonblock", bound, "true"]), "exit"))[0] === 0;
  const binding = providerAt(stateDir, { agentBinds: [{ from: bound, to: "/bound" }] });
  const spec = newSpec(
    "test",
    'echo "open in $(stat -L -c %d:%i /proc/[0-9]*/fd/* 2>/dev/null | grep -cx "$(stat -c %d:%i /bound)")"; sleep 1000',
  );
  assert.is(await isFree(), true);
  await binding.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "open in ");
  assert.match(printed, /^open in 0$/m, printed);
  assert.is(await isFree(), false);
  await provider.destroy(spec.builder, signal());
  assert.is(await isFree(), true);
});

test("the command inherits a device that only the caller may open, and CB_OPENED names the reason for a missing one", async () => {
  const path = join(home, "device");
  await writeFile(path, "opened\n", { mode: 0o600 });
  const devices = [
    { name: "mine", path },
    { name: "none", path: join(home, "nowhere") },
    { name: "shut", path: home },
  ];
  const withDevices = providerAt(stateDir, { devices });
  const openMine = 'echo "$CB_OPENED"; set -- $CB_OPENED; IFS== read -r _ fd <<<"$1"; read -r line <&"$fd"';
  const script = `${openMine}; echo "$line" >&"$fd"; echo "$line"`;
  const spec = newSpec("test", `${script}; sleep 1000`);
  await withDevices.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "opened\n");
  assert.match(printed, /^mine=\d+ none=absent shut=closed$/m, printed);
  assert.is(await readFile(path, "utf8"), "opened\nopened\n");
});

test("destroy() ends processes that left the session, ignore signals and keep the console open", async () => {
  const script = `trap "" TERM INT HUP; setsid bash -c 'trap "" TERM; sleep 1000' & unshare --user --pid --fork sleep 1000 & echo up; wait`;
  const spec = newSpec("test", script);
  await provider.create(spec, signal());
  await untilPrinted(provider, spec.builder, "up");
  const inside = await descendantsIn(spec);
  assert.ok(inside.length >= 3, `${inside.length} processes inside`);
  await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
  const alive = await Promise.all(inside.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  assert.equal(
    alive.filter((stat) => stat !== "" && !/\) Z /.test(stat)),
    [],
  );
});

async function processesIn({ builder }: BuilderSpec): Promise<number[]> {
  const supervisor = await readSupervisor(join(stateDir, builder));
  return supervisor === undefined ? [] : await processesOf(supervisor);
}

/** Includes the processes inside that created a session of their own. */
async function descendantsIn(spec: BuilderSpec): Promise<number[]> {
  const found = await processesIn(spec);
  for (const pid of found) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    found.push(...children.trim().split(" ").filter(Boolean).map(Number));
  }
  return [...new Set(found)];
}

test("a sandbox outlives the process that created it, and another process finds and destroys it", async () => {
  const spec = newSpec("test", "echo up; sleep 1000");
  const module = new URL("../../../lib/provider/sandbox/provider.ts", import.meta.url).href;
  const options = { stateDir, rootfs, installation: "test", agentBinds: [], allowHostPorts: [] };
  const agentCommand = ["bash", "/run/container-builder/user-data"];
  const code = `
    import { SandboxProvider } from ${JSON.stringify(module)};
    await new SandboxProvider(${JSON.stringify({ ...options, agentCommand })})
      .create(${JSON.stringify(spec)}, AbortSignal.timeout(10000));
    process.kill(process.pid, "SIGKILL");`;
  const creator = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], { stdio: "inherit" });
  const [, killedBy] = await once(creator, "exit");
  assert.is(killedBy, "SIGKILL");
  await untilPrinted(provider, spec.builder, "up");
  assert.is((await observedAs(provider, spec.builder, "running")).builder, spec.builder);
  await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

test("a sandbox survives the death of each process that keeps its output, and its end is noticed", async () => {
  const spec = newSpec("test", 'for n in $(seq 100); do echo "line $n."; sleep 0.1; done; echo "good bye"; exit 3');
  await provider.create(spec, signal());
  await untilPrinted(provider, spec.builder, "line 1.");
  for (const victim of ["its reader", "the parent of its reader", "both"]) {
    const [last] = (await until("the output has a reader", () => consoleReaders(spec))).slice(-1);
    assert.ok(last);
    const { reader, parent } = last;
    for (const pid of victim === "both" ? [parent, reader] : victim === "its reader" ? [reader] : [parent]) {
      process.kill(pid, "SIGKILL");
    }
    await until(`another process reads it after the death of ${victim}`, async () =>
      (await consoleReaders(spec))?.find(
        (next) => next.reader !== reader && next.parent !== parent && next.parent !== 1,
      ),
    );
  }
  const { fault } = await observedAs(provider, spec.builder, "error");
  assert.is(fault, "the agent ended with exit code 3; its last line: good bye");
});

/** The processes that copy the output into the folder, each with its parent, the newest last. Undefined when there is none. */
async function consoleReaders(spec: BuilderSpec): Promise<{ reader: number; parent: number }[] | undefined> {
  const stats = await Promise.all(
    (await processesIn(spec)).map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")),
  );
  const found = stats.map((stat) => /^(\d+) \(head\) [^Z] (\d+)/.exec(stat)).filter((match) => match !== null);
  const readers = found.map(([, pid, parent]) => ({ reader: Number(pid), parent: Number(parent) }));
  return readers.length > 0 ? readers.sort((a, b) => a.reader - b.reader) : undefined;
}

test("consoleOutput() keeps the newest output of a flood within consoleBytes", async () => {
  const small = providerAt(stateDir, { consoleBytes: 20_000 });
  const spec = newSpec("test", "seq 1 100000; sleep 1000");
  await small.create(spec, signal());
  const printed = await untilPrinted(small, spec.builder, "\n100000\n");
  assert.ok(printed.length >= 10_000 && printed.length <= 20_000, `${printed.length} bytes are kept`);
});

test("two providers do not list each other's sandboxes", async () => {
  const [first, second] = [newSpec("test", "echo first; sleep 1000"), newSpec("test", "echo second; sleep 1000")];
  await Promise.all([provider.create(first, signal()), other.create(second, signal())]);
  await untilPrinted(other, second.builder, "second");
  await provider.destroy(second.builder, signal());
  assert.is((await observedAs(other, second.builder, "running")).builder, second.builder);
  assert.equal(
    (await provider.listMachines(signal())).machines.map(({ builder }) => builder),
    [first.builder],
  );
  await other.destroy(second.builder, signal());
  assert.equal((await other.listMachines(signal())).machines, []);
});

test.run();
