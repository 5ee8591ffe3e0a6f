// alone: systemd, the queue and its sandboxes take both cores.
// timeout: 1150 s
/** A site from the installed server package under a real systemd: the steps of install.txt as written, and builds in sandboxes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findArchitecture } from "../../../infra/package/architectures.ts";
import { makeDeb } from "../../../infra/package/deb.ts";
import { makeTree } from "../../../infra/package/tree.ts";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { PACKAGE_TOOLS } from "../../../infra/tools/setup/packages.ts";
import { Machine } from "../../support/package/machine.ts";
import { debianTree } from "../../support/package/trees.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { until } from "../../support/until.ts";

const test = suite<{ machine: Machine; folder: string }>("a site with sandboxes");
const ROOTFS = "/var/lib/cb-queue/rootfs";
const SITE = "cd /root && cb-admin site init site";
/** The reserve starts within seconds on an idle host. */
const READY_MS = 300_000;

test.before(async (context) => {
  await ensureTools({ need: [...PACKAGE_TOOLS, "slirp4netns"], onStep: console.error });
  const tree = await debianTree("trixie", ["systemd", "systemd-sysv", "dbus", "iproute2", "ca-certificates"]);
  const folder = mkdtempSync(join(tmpdir(), "cb-site-"));
  context.folder = folder;
  process.prependListener("exit", () => rmSync(folder, { recursive: true, force: true }));
  const machine = await Machine.boot(tree);
  context.machine = machine;
  await machine.connect();
  // The machine's own changes are in an overlay, which the kernel refuses below the overlay of a sandbox.
  await machine.run("mkdir /var/lib/cb-queue && mount -t tmpfs state /var/lib/cb-queue");
  // All hosts of the site are this machine.
  await writeFile(machine.path("/usr/bin/ssh"), '#!/bin/sh\nshift\nexec sh -c "$*"\n', { mode: 0o755 });
  const arch = findArchitecture(execFileSync("uname", ["-m"], { encoding: "utf8" }).trim());
  const packed = { tree: join(folder, "tree"), root: join(folder, "root"), file: join(folder, "server.deb") };
  await makeTree("server", arch, packed.tree);
  await makeDeb("server", arch, { ...packed, epochS: 1_700_000_000, compressed: false });
  await copyFile(packed.file, machine.path("/root/server.deb"));
  await copyFile(HELLO, machine.path("/root/hello.def"));
});
test.after(async ({ machine, folder }) => {
  await machine.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The commands of install.txt, which stand alone on their lines. */
async function steps(machine: Machine): Promise<string[]> {
  const text = await readFile(machine.path("/root/site/install.txt"), "utf8");
  return text.split("\n").flatMap((line) => /^ {3}((?:tar|ssh) .*)$/.exec(line)?.[1] ?? []);
}

const versions = (machine: Machine): Promise<string> => machine.run(`ls ${ROOTFS}.d/rootfs | grep -v ^lock`);

test("the commands of install.txt, run as they stand, start a site", async ({ machine }) => {
  await machine.run("dpkg -i /root/server.deb");
  await machine.run(`${SITE} --name trial --nats one=127.0.0.1 --operator ada`);
  // This host may be busy: the default suits an idle one.
  await machine.run(`sed -i s/bootTimeoutSeconds:.*/bootTimeoutSeconds:\\ 300/ /root/site/site.yaml && ${SITE}`);
  for (const step of await steps(machine)) await machine.run(`cd /root/site && ${step}`);
  assert.is(await machine.run("systemctl is-active cb-nats cb-queue"), "active\nactive");
  assert.match(await machine.run(`stat -L -c '%U' ${ROOTFS}`), /UNKNOWN/);
  assert.match(await machine.run("cat /etc/subuid"), /^cb-queue:\d+:65536$/m);
});

test("a second call of cb-admin builder-image makes nothing, and a folder of others is refused", async ({
  machine,
}) => {
  const before = await machine.run(`readlink ${ROOTFS}`);
  await machine.run(`cb-admin builder-image rootfs ${ROOTFS}`);
  assert.is(await machine.run(`readlink ${ROOTFS}`), before);
  assert.is((await versions(machine)).split("\n").length, 1);
  const taken = await machine.run("cb-admin builder-image rootfs /var/lib/cb-nats 2>&1 || echo exit code $?");
  assert.match(taken, /\/var\/lib\/cb-nats exists, and this command did not make it[\s\S]*exit code 73/);
});

/** Waits until a builder is in reserve: it has answered the queue over TLS from inside its sandbox. */
async function ready(machine: Machine): Promise<void> {
  const reserve = async () => {
    const reply = JSON.parse(await machine.run(`${CLIENT} cb-status --json`)) as {
      pools: { reserve: { ready: number } }[];
    };
    return (reply.pools[0]?.reserve.ready ?? 0) > 0;
  };
  await until("a builder is in reserve", () => reserve().catch(() => false), READY_MS);
}

const CLIENT = "cd /root && NATS_CREDS=/root/user.creds XDG_CONFIG_DIRS=/etc/xdg";

test("a user builds in a sandbox of the service", async ({ machine }) => {
  await machine.run("cp -r /root/site/client/. / && cb-admin user add grace > /root/user.creds");
  await ready(machine);
  const output = await machine.run(`${CLIENT} container-builder hello.sif hello.def`);
  assert.match(output, /building as root, uid 0/);
  assert.is(await machine.run("head -c 41 /root/hello.sif | tail -c 9"), "SIF_MAGIC");
});

test("a build goes on while cb-queue restarts and the image is replaced", async ({ machine }) => {
  await ready(machine);
  const recipe = "Bootstrap: scratch\n%setup\n    echo begun\n    sleep 30\n    echo finished\n";
  await writeFile(machine.path("/root/long.def"), recipe);
  const build = machine.run(`${CLIENT} container-builder long.sif long.def 2>&1 | tee long.log`);
  // tee makes the file.
  const output = () => readFile(machine.path("/root/long.log"), "utf8").catch(() => "");
  await until("the build has begun", async () => (await output()).includes("begun"), READY_MS);
  await machine.run("systemctl restart cb-queue");
  const before = await machine.run(`readlink ${ROOTFS}`);
  await machine.run(`cb-admin builder-image rootfs --update ${ROOTFS}`);
  assert.match(await build, /finished/);
  assert.is.not(await machine.run(`readlink ${ROOTFS}`), before);
  assert.is((await versions(machine)).split("\n").length, 2);
});

test.run();
