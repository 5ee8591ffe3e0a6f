/** Sandboxes as a provider: the contract, and what is particular to machines that are processes of this host. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { claimFolder, identityOf, readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf, type Supervisor } from "../../../lib/provider/sandbox/processes.ts";
import { SandboxProvider, type SandboxProviderOptions } from "../../../lib/provider/sandbox/provider.ts";
import { runImageInSandbox, runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import {
  newSpec,
  nothingLeft,
  observedAs,
  providerContract,
  signal,
  untilPrinted,
} from "../../support/provider-contract.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll } from "../../support/sandboxes.ts";
import { until } from "../../support/until.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const stateDir = join(home, "state");
const test = suite("sandbox");

/** Remembers the processes of what it destroyed, to see afterwards that they are gone. */
class RememberingProvider extends SandboxProvider {
  readonly keepers: Supervisor[] = [];

  override async destroy(builder: string, abort: AbortSignal): Promise<void> {
    const keeper = await readSupervisor(join(stateDir, builder));
    if (keeper !== undefined) this.keepers.push(keeper);
    await super.destroy(builder, abort);
  }
}

function providerAt(folder: string, changes: Partial<SandboxProviderOptions> = {}): RememberingProvider {
  const agentCommand = ["bash", "/run/container-builder/user-data"];
  const options = {
    rootfs,
    installation: "test",
    agentCommand,
    agentBinds: [],
    allowHostPorts: [],
    consoleBytes: 100_000,
  };
  return new RememberingProvider({ ...options, stateDir: folder, ...changes });
}
const provider = providerAt(stateDir);
const other = providerAt(join(home, "other"));
cleanUpWhenInterrupted(home, [provider, other]);

/** Processes of all that was destroyed, processes at work in our folders, mounts, folders. */
async function leftovers(): Promise<string[]> {
  const processes = (await Promise.all(provider.keepers.map(processesOf))).flat();
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
  // A failed test must not leave a sandbox, nor let the next one fail.
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

test("observe() says why a sandbox died: the agent's exit code, a kill, a start that failed, an interrupted create", async () => {
  const ended = newSpec("test", "printf 'good bye\\033[2J\\n\\n'; exit 3");
  await provider.create(ended, signal());
  const said = "the agent ended with exit code 3; its last line: good bye";
  assert.is((await observedAs(provider, ended.builder, "error")).fault, said);

  const killed = newSpec("test", "echo up; sleep 1000");
  await provider.create(killed, signal());
  await untilPrinted(provider, killed.builder, "up");
  for (const pid of await processesIn(killed)) process.kill(pid, "SIGKILL");
  assert.match((await observedAs(provider, killed.builder, "error")).fault ?? "", "killed");

  const missing = newSpec("test", "");
  const broken = new SandboxProvider({
    ...{
      stateDir,
      rootfs: "/nowhere",
      installation: "test",
      agentCommand: ["true"],
      agentBinds: [],
      allowHostPorts: [],
    },
  });
  await broken.create(missing, signal());
  assert.match((await observedAs(provider, missing.builder, "error")).fault ?? "", "/nowhere");

  const interrupted = newSpec("test", "");
  await claimFolder(stateDir, { ...identityOf(interrupted), host: "cb", createdAtMs: Date.now() - 10_000 });
  assert.match((await observedAs(provider, interrupted.builder, "error")).fault ?? "", "interrupted");
  for (const spec of [ended, killed, missing, interrupted]) await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

test("what a sandbox is made of is locked while it lives, and no descriptor of that is open inside", async () => {
  const bound = join(home, "bound");
  await writeFile(bound, "");
  const isFree = async () =>
    (await once(spawn("flock", ["--exclusive", "--nonblock", bound, "true"]), "exit"))[0] === 0;
  const holding = providerAt(stateDir, { agentBinds: [{ from: bound, to: "/bound" }] });
  const spec = newSpec(
    "test",
    'echo "open in $(stat -L -c %d:%i /proc/[0-9]*/fd/* 2>/dev/null | grep -cx "$(stat -c %d:%i /bound)")"; sleep 1000',
  );
  assert.is(await isFree(), true);
  await holding.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "open in ");
  assert.match(printed, /^open in 0$/m, printed);
  assert.is(await isFree(), false);
  await provider.destroy(spec.builder, signal());
  assert.is(await isFree(), true);
});

test("a device that its maker alone may open is an open descriptor inside, and why there is none is told", async () => {
  const path = join(home, "device");
  await writeFile(path, "opened\n", { mode: 0o600 });
  const devices = [
    { name: "mine", path },
    { name: "none", path: join(home, "nowhere") },
    { name: "shut", path: home },
  ];
  const giving = providerAt(stateDir, { devices });
  const takeIt = 'echo "$CB_OPENED"; set -- $CB_OPENED; IFS== read -r _ fd <<<"$1"; read -r line <&"$fd"';
  const script = `${takeIt}; echo "$line" >&"$fd"; echo "$line"`;
  const spec = newSpec("test", `${script}; sleep 1000`);
  await giving.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "opened\n");
  assert.match(printed, /^mine=\d+ none=absent shut=closed$/m, printed);
  assert.is(await readFile(path, "utf8"), "opened\nopened\n");
});

test("destroy() ends what left its session, ignores signals and holds the console open", async () => {
  const stubborn = `trap "" TERM INT HUP; setsid bash -c 'trap "" TERM; sleep 1000' & unshare --user --pid --fork sleep 1000 & echo up; wait`;
  const spec = newSpec("test", stubborn);
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
  const keeper = await readSupervisor(join(stateDir, builder));
  return keeper === undefined ? [] : await processesOf(keeper);
}

/** With those inside that made a session of their own. */
async function descendantsIn(spec: BuilderSpec): Promise<number[]> {
  const found = await processesIn(spec);
  for (const pid of found) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    found.push(...children.trim().split(" ").filter(Boolean).map(Number));
  }
  return [...new Set(found)];
}

test("a sandbox outlives the process that made it, and another process finds and destroys it", async () => {
  const spec = newSpec("test", "echo up; sleep 1000");
  const module = new URL("../../../lib/provider/sandbox/provider.ts", import.meta.url).href;
  const options = { stateDir, rootfs, installation: "test", agentBinds: [], allowHostPorts: [] };
  const agentCommand = ["bash", "/run/container-builder/user-data"];
  const code = `
    import { SandboxProvider } from ${JSON.stringify(module)};
    await new SandboxProvider(${JSON.stringify({ ...options, agentCommand })})
      .create(${JSON.stringify(spec)}, AbortSignal.timeout(10000));
    process.kill(process.pid, "SIGKILL");`;
  const maker = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], { stdio: "inherit" });
  const [, killedBy] = await once(maker, "exit");
  assert.is(killedBy, "SIGKILL");
  await untilPrinted(provider, spec.builder, "up");
  assert.is((await observedAs(provider, spec.builder, "running")).builder, spec.builder);
  await provider.destroy(spec.builder, signal());
  await nothingLeft(leftovers);
});

test("consoleOutput() keeps the newest of a flood within the bound", async () => {
  const small = providerAt(stateDir, { consoleBytes: 20_000 });
  const spec = newSpec("test", "seq 1 100000; sleep 1000");
  await small.create(spec, signal());
  const printed = await untilPrinted(small, spec.builder, "\n100000\n");
  assert.ok(printed.length >= 10_000 && printed.length <= 20_000, `${printed.length} bytes are kept`);
});

test("two providers do not see each other's sandboxes", async () => {
  const [mine, theirs] = [newSpec("test", "echo mine; sleep 1000"), newSpec("test", "echo theirs; sleep 1000")];
  await Promise.all([provider.create(mine, signal()), other.create(theirs, signal())]);
  await untilPrinted(other, theirs.builder, "theirs");
  await provider.destroy(theirs.builder, signal());
  assert.is((await observedAs(other, theirs.builder, "running")).builder, theirs.builder);
  assert.equal(
    (await provider.listMachines(signal())).machines.map(({ builder }) => builder),
    [mine.builder],
  );
  await other.destroy(theirs.builder, signal());
  assert.equal((await other.listMachines(signal())).machines, []);
});

test("runInSandbox() gives exit code and output and leaves nothing; a missing rootfs is an infrastructure error", async () => {
  const before = await ownFolders();
  const command = ["bash", "-c", "echo out; echo err >&2; exit 4"];
  const { code, stdout, stderr } = await runInSandbox({ rootfs, command, stdio: "pipe" });
  assert.equal([code, stdout, stderr], [4, "out\n", "err\n"]);
  const failed = await runInSandbox({ rootfs: "/nowhere", command, stdio: "pipe" }).catch((error) => error);
  assert.is(failed.kind, "infrastructure");
  assert.equal(await ownFolders(), before);
});

test("runInSandbox() ends what runs when its signal aborts", async () => {
  const before = await ownFolders();
  const aborter = new AbortController();
  const running = runInSandbox({ rootfs, command: ["sleep", "1000"], stdio: "pipe", signal: aborter.signal });
  const ended = running.catch((error) => error);
  const keeper = await keeperOfNew(before);
  aborter.abort(new Error("enough"));
  assert.is((await ended).message, "enough");
  assert.equal(await processesOf(keeper), []);
  assert.equal(await ownFolders(), before);
});

/** The keeper of the sandbox whose folder is new, once the command runs. */
function keeperOfNew(before: readonly string[]): Promise<Supervisor> {
  return until("the sandbox has started", async () => {
    const name = (await ownFolders()).find((candidate) => !before.includes(candidate)) ?? "none";
    const status = await readFile(join(tmpdir(), name, "status"), "utf8").catch(() => "");
    return status.includes("started") && (await readSupervisor(join(tmpdir(), name)));
  });
}

async function ownFolders(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => /^container-builder-(run|image)-/.test(name)).sort();
}

test("a plain apptainer build works inside, and runImage() runs what came of it", async () => {
  const definition = join(home, "hello.def");
  const image = join(home, "hello.sif");
  await writeFile(definition, HELLO);
  const command = ["bash", "-c", "apptainer build /tmp/x.sif /hello.def >&2 && cat /tmp/x.sif | base64 -w0"];
  const built = await runInSandbox({ rootfs, command, binds: [{ from: definition, to: "/hello.def" }], stdio: "pipe" });
  assert.is(built.code, 0, built.stderr);
  await writeFile(image, Buffer.from(built.stdout, "base64"), { mode: 0o600 });
  assert.equal(await runImageInSandbox(image, { rootfs, stdio: "pipe" }), {
    code: 0,
    stdout: "hello from post\n",
    stderr: "",
  });
});

const HELLO = `Bootstrap: scratch
%setup
  mkdir -p "$APPTAINER_ROOTFS/bin"
  cp /usr/bin/busybox "$APPTAINER_ROOTFS/bin/busybox"
  ln -s busybox "$APPTAINER_ROOTFS/bin/sh"
%post
  /bin/busybox --install -s /bin
  echo "from post" >/made
%runscript
  echo "hello $(cat /made)"
`;

test("a plain buildah bud works inside, and apptainer takes its archive", async () => {
  const script = `set -e
    mkdir /tmp/c /tmp/c/bin; cp /usr/bin/busybox /tmp/c/bin/sh; cd /tmp/c
    printf 'FROM scratch\\nCOPY bin /bin\\nRUN echo made >/made\\n' >Dockerfile
    buildah bud --isolation=chroot -t made . >&2
    buildah push -q made oci-archive:/tmp/made.tar >&2
    apptainer build /tmp/made.sif oci-archive:/tmp/made.tar >&2
    apptainer --silent exec --unsquash /tmp/made.sif /bin/sh -c 'read line </made; echo $line'`;
  const { code, stdout, stderr } = await runInSandbox({ rootfs, command: ["bash", "-c", script], stdio: "pipe" });
  assert.equal([code, stdout], [0, "made\n"], stderr);
});

test.run();
