/** The QEMU provider: the provider contract, and properties of QEMU in a sandbox. Each start takes half a minute. */
// timeout: 1200 s
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { MachineProvider } from "../../../lib/provider/qemu/machine.ts";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { SHELL_AGENT } from "../../support/machine.ts";
import {
  newSpec,
  nothingLeft,
  observedAs,
  observedGone,
  providerContract,
  signal,
  untilPrinted,
} from "../../support/provider-contract.ts";
import { rejection } from "../../support/rejection.ts";
import { testCache, testMachineRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll, RecordingProvider } from "../../support/sandboxes.ts";

const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const stateDir = join(home, "state");
const agentFile = join(home, "agent");
await writeFile(agentFile, SHELL_AGENT);
const disk = await ensureDiskImage({ cacheDir: testCache(), agentFile });
const OPTIONS = {
  stateDir,
  rootfs: await testMachineRootfs(),
  disk,
  installation: "test",
  cores: 2,
  memoryMib: 1024,
  diskGib: 3,
  acceleration: "auto",
  allowHostPorts: [],
  allowWeak: [],
} as const;

const provider = new RecordingProvider(new MachineProvider(OPTIONS), stateDir);
cleanUpWhenInterrupted(home, [provider]);

const test = suite("machines");

test.after.each(() => destroyAll(provider));
test.after(() => rm(home, { recursive: true, force: true }));

/** Living processes of destroyed machines, and folders of machines. */
async function leftovers(): Promise<string[]> {
  const processes = await provider.processesLeft();
  return [...processes.map(String), ...(await readdir(stateDir))];
}

async function emulatorOf({ builder }: BuilderSpec): Promise<number> {
  const supervisor = await readSupervisor(join(stateDir, builder));
  for (const pid of supervisor === undefined ? [] : await processesOf(supervisor)) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.startsWith("qemu-system-x86_64\0")) return pid;
  }
  throw new Error(`no QEMU runs for ${builder}`);
}

providerContract(test, async () => ({
  provider,
  installation: "test",
  printAndStay: (text) => `echo "${text}"; sleep 1000`,
  exitAtOnce: "exit 3",
  leftovers,
}));

test("a machine has the configured memory, cores and disk, reaches the outside, and no link-local address", async () => {
  const { mirror } = await hostAptSettings();
  const script = [
    'echo "cores $(nproc) MiB $(($(sed -n "s/MemTotal: *\\([0-9]*\\).*/\\1/p" /proc/meminfo) / 1024))"',
    'echo "disk $(($(stat -f -c "%b * %S" /) / 1073741824))"',
    "busybox wget -q -T 5 -O - http://169.254.169.254/ && echo link-local reached || echo link-local closed",
    `wget --no-verbose --tries=2 --timeout=20 -O /tmp/release ${mirror}/dists/trixie/InRelease && echo mirror reached`,
    "echo done; sleep 1000",
  ].join("\n");
  const spec = newSpec("test", script);
  await provider.create(spec, signal());
  const printed = await untilPrinted(provider, spec.builder, "done");
  assert.match(printed, /machine: 2 cores, 1024 MiB, a disk of 3 GiB, by (kvm|tcg)/);
  const [, cores, mib, gib] = /cores (\d+) MiB (\d+)\s+disk (\d+)/.exec(printed) ?? [];
  assert.is(Number(cores), 2);
  assert.ok(Number(mib) > 850 && Number(mib) <= 1024, printed);
  assert.is(Number(gib), 2, "3 GiB less the overhead of the file system");
  assert.match(printed, /^link-local closed/m, printed);
  assert.match(printed, /^mirror reached/m, "the machine must reach the Debian archive by name");
});

test("a machine with a killed QEMU is in error with that fault", async () => {
  const spec = newSpec("test", "echo up; sleep 1000");
  await provider.create(spec, signal());
  await untilPrinted(provider, spec.builder, "up");
  process.kill(await emulatorOf(spec), "SIGKILL");
  assert.match((await observedAs(provider, spec.builder, "error")).fault ?? "", /kill|137/);
  await provider.destroy(spec.builder, signal());
  await observedGone(provider, spec.builder);
  await nothingLeft(leftovers);
});

test("with acceleration kvm, a host without working KVM is an error on the console, not a machine that hangs", async () => {
  const strict = new MachineProvider({ ...OPTIONS, acceleration: "kvm" });
  const spec = newSpec("test", "echo up; sleep 1000");
  await strict.create(spec, signal());
  const printed = await untilPrinted(strict, spec.builder, "machine: ");
  assert.match(
    printed,
    /machine: (this host has no \/dev\/kvm|KVM runs no guest here|2 cores, 1024 MiB, a disk of 3 GiB, by kvm)/,
  );
});

test("with acceleration auto, a device that runs no guest leads to emulation, and the console names the reason", async () => {
  const notKvm = join(home, "not-kvm");
  await writeFile(notKvm, "", { mode: 0o600 });
  const spec = newSpec("test", "echo up; sleep 1000");
  const printedBy = async (kvm: string, acceleration: "auto" | "kvm") => {
    await new MachineProvider({ ...OPTIONS, kvm, acceleration }).create(spec, signal());
    return await untilPrinted(provider, spec.builder, "machine: ");
  };
  assert.match(await printedBy(notKvm, "auto"), "by tcg, since KVM runs no guest here\n");
  await provider.destroy(spec.builder, signal());
  assert.match(await printedBy(join(home, "nowhere"), "auto"), "by tcg, since this host has no /dev/kvm\n");
  await provider.destroy(spec.builder, signal());
  assert.match(
    await printedBy(home, "kvm"),
    "machine: the user who runs the queue may not open /dev/kvm; acceleration: auto",
  );
  const { fault = "" } = await observedAs(provider, spec.builder, "error");
  assert.match(
    fault,
    /^the machine ended with exit code 1; its last line: machine: the user who runs the queue may not/,
  );
});

test("create() without a disk image is a config error that names its path", async () => {
  const error = await rejection(
    new MachineProvider({ ...OPTIONS, disk: "/nowhere/disk.raw" }).create(newSpec("test", ""), signal()),
  );
  assert.ok(error instanceof CbError && error.kind === "config");
  assert.match(String(error), "/nowhere/disk.raw");
});

test.run();
