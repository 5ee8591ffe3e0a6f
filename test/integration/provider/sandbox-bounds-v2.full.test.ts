/** The control groups of version 2, in a machine with all controllers: as root, and delegated to a user in two ways. */
// timeout: 900 s
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { MachineProvider } from "../../../lib/provider/qemu/machine.ts";
import { SHELL_AGENT } from "../../support/machine.ts";
import { newSpec, signal, untilPrinted } from "../../support/provider-contract.ts";
import { testCache, testMachineRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll } from "../../support/sandboxes.ts";

const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const agentFile = join(home, "agent");
await writeFile(agentFile, SHELL_AGENT);
const provider = new MachineProvider({
  stateDir: join(home, "state"),
  rootfs: await testMachineRootfs(),
  disk: await ensureDiskImage({ cacheDir: testCache(), agentFile }),
  installation: "test",
  cores: 2,
  memoryMib: 1024,
  diskGib: 3,
  acceleration: "auto",
  allowHostPorts: [],
  allowWeak: [],
});
cleanUpWhenInterrupted(home, [provider]);

const test = suite("bounds by cgroup version 2");
test.after(async () => {
  await destroyAll(provider);
  await rm(home, { recursive: true, force: true });
});

async function bundled(): Promise<string> {
  const entry = fileURLToPath(new URL("../../support/bounds-in-machine.ts", import.meta.url));
  const options = {
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
  } as const;
  const { outputFiles } = await build({ entryPoints: [entry], ...options });
  return outputFiles[0]?.text ?? "";
}

test("root and a user with a delegated group bound a process, and a user without one is told the remedy", async () => {
  const program = Buffer.from(await bundled()).toString("base64");
  const asUser = "setpriv --reuid 1000 --regid 1000 --clear-groups node /tmp/program.mjs 2>&1";
  const script = `
    echo ${program} | base64 -d >/tmp/program.mjs
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
    cd /sys/fs/cgroup
    delegate() { mkdir -p $1; chown 1000 $1 $1/cgroup.procs $1/cgroup.subtree_control; }
    run_in() { sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$@" || echo "failed: $?"; }
    echo "as root:"; node /tmp/program.mjs 2>&1
    delegate service; echo "Delegate:"; run_in service ${asUser}
    delegate other; delegate other/queue; echo "DelegateSubgroup:"; run_in other/queue ${asUser}
    mkdir closed; echo "closed:"; run_in closed ${asUser}
    echo "all run"; sleep 1000`;
  const spec = newSpec("test", script);
  await provider.create(spec, signal());
  // Each program takes half a minute on an emulated machine.
  for (const step of ["Delegate:", "DelegateSubgroup:", "closed:"]) await untilPrinted(provider, spec.builder, step);
  const printed = (await untilPrinted(provider, spec.builder, "all run")).replaceAll("\r", "");
  const held = "a sandbox gets at most 100 MiB of memory, the time of 0.5 processors";
  const ended = "the kernel ended a process at the sandbox's memory limit of 100 MiB\n50000 100000\nleft: 0\n";
  const parts = printed.split(/^(?:as root|Delegate|DelegateSubgroup|closed):\n/m);
  for (const part of parts.slice(1, 4)) {
    assert.match(part, held, printed);
    assert.match(part, "ended by SIGKILL\n", printed);
    assert.match(part, ended, printed);
  }
  assert.match(parts[4] ?? "", "NOT bounded on this host: memory (this user may make no control groups;", printed);
});

test.run();
