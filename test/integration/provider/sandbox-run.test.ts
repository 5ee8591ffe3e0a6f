/** Single commands in a sandbox: their result, their end, and builds with the tools of the builder's root file system. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf, type Supervisor } from "../../../lib/provider/sandbox/processes.ts";
import { runImageInSandbox, runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { until } from "../../support/until.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const test = suite("sandbox-run");

test.after(() => rm(home, { recursive: true, force: true }));

test("runInSandbox() returns exit code and output and leaves nothing; a missing rootfs is an infrastructure error", async () => {
  const before = await ownFolders();
  const command = ["bash", "-c", "echo out; echo err >&2; exit 4"];
  const { code, stdout, stderr } = await runInSandbox({ rootfs, command, stdio: "pipe" });
  assert.equal([code, stdout, stderr], [4, "out\n", "err\n"]);
  const failed = await runInSandbox({ rootfs: "/nowhere", command, stdio: "pipe" }).catch((error) => error);
  assert.is(failed.kind, "infrastructure");
  assert.equal(await ownFolders(), before);
});

test("runInSandbox() kills the command when its signal aborts", async () => {
  const before = await ownFolders();
  const aborter = new AbortController();
  const running = runInSandbox({ rootfs, command: ["sleep", "1000"], stdio: "pipe", signal: aborter.signal });
  const ended = running.catch((error) => error);
  const supervisor = await supervisorOfNew(before);
  aborter.abort(new Error("enough"));
  assert.is((await ended).message, "enough");
  assert.equal(await processesOf(supervisor), []);
  assert.equal(await ownFolders(), before);
});

/** Resolves with the supervisor of the sandbox that has a new folder, when its command runs. */
function supervisorOfNew(before: readonly string[]): Promise<Supervisor> {
  return until("the sandbox has started", async () => {
    const name = (await ownFolders()).find((candidate) => !before.includes(candidate)) ?? "none";
    const status = await readFile(join(tmpdir(), name, "status"), "utf8").catch(() => "");
    return status.includes("started") && (await readSupervisor(join(tmpdir(), name)));
  });
}

async function ownFolders(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => /^container-builder-(run|image)-/.test(name)).sort();
}

test("apptainer build works inside, and runImageInSandbox() runs the image", async () => {
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

test("buildah bud works inside, and apptainer converts its archive", async () => {
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
