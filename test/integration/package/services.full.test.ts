// alone: the machine's services take both cores while they start, and this host's time limits are theirs.
// timeout: 900 s
/** The server's Debian package under a real systemd: installed, configured, started, killed, stopped and misconfigured. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { findArchitecture } from "../../../infra/package/architectures.ts";
import { makeDeb } from "../../../infra/package/deb.ts";
import { makeTree } from "../../../infra/package/tree.ts";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { PACKAGE_TOOLS } from "../../../infra/tools/setup/packages.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { Machine } from "../../support/package/machine.ts";
import { CLOUD_ENV, writeSiteFiles } from "../../support/package/site-files.ts";
import { debianTree } from "../../support/package/trees.ts";
import { until } from "../../support/until.ts";

const test = suite<{ machine: Machine; folder: string }>("services under systemd");
const ETC = "/etc/container-builder";
const DROP_IN = "/etc/systemd/system/cb-queue.service.d";

test.before(async (context) => {
  await ensureTools({ need: PACKAGE_TOOLS, onStep: console.error });
  const tree = await debianTree("trixie", ["systemd", "systemd-sysv", "dbus", "procps", "wget", "docker-registry"]);
  const folder = mkdtempSync(join(tmpdir(), "cb-services-"));
  context.folder = folder;
  process.prependListener("exit", () => rmSync(folder, { recursive: true, force: true }));
  context.machine = await Machine.boot(tree);
  const arch = findArchitecture(execFileSync("uname", ["-m"], { encoding: "utf8" }).trim());
  const packed = { tree: join(folder, "tree"), root: join(folder, "root"), file: join(folder, "server.deb") };
  await makeTree("server", arch, packed.tree);
  await makeDeb("server", arch, { ...packed, epochS: 1_700_000_000, compressed: false });
  execFileSync("cp", [packed.file, context.machine.path("/root/server.deb")]);
});
test.after(async ({ machine, folder }) => {
  await machine.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The messages of cb-queue in the journal. Throws when a line is no JSON. */
async function queueLog(machine: Machine): Promise<string[]> {
  const text = await machine.run("journalctl -u cb-queue -o cat _COMM=node --no-pager || true");
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => String((JSON.parse(line) as { msg: unknown }).msg));
}

const answers = async (machine: Machine): Promise<number> =>
  (await queueLog(machine)).filter((line) => line === "cb-queue answers").length;

test("the package installs programs, users and folders, and starts nothing", async ({ machine }) => {
  await machine.run("dpkg -i /root/server.deb");
  assert.is(await machine.run("cb-queue --version && cb-status --version"), `${VERSION}\n${VERSION}`);
  assert.is(await machine.run("id -un cb-nats && id -un cb-queue"), "cb-nats\ncb-queue");
  assert.is(await machine.run("systemctl is-active cb-nats cb-queue || true"), "inactive\ninactive");
  assert.is(await machine.run("systemctl is-enabled cb-nats cb-queue || true"), "disabled\ndisabled");
});

test("both services start from the files of an installation; no other user can read the secrets", async (context) => {
  const { machine, folder } = context;
  const keys = { folder: join(folder, "keys"), name: "trial", serverName: "nats.trial", nowMs: Date.now() };
  await writeSiteFiles(await makeInstallation(keys), machine.path(ETC));
  // A setting of this trial: the cloud.
  const environment = Object.entries(CLOUD_ENV).map(([name, value]) => `Environment=${name}=${value}`);
  await mkdir(machine.path(DROP_IN), { recursive: true });
  await writeFile(machine.path(`${DROP_IN}/trial.conf`), ["[Service]", ...environment, ""].join("\n"));
  await machine.run("systemctl daemon-reload && systemd-tmpfiles --create container-builder.conf");
  assert.is(
    await machine.run(
      `cd ${ETC} && stat -c '%A %U %G %n' nats-server.conf tls/server.key queue.yaml queue.creds *.seed`,
    ),
    [
      "-rw-r----- root cb-nats nats-server.conf",
      "-rw-r----- root cb-nats tls/server.key",
      "-rw-r----- root cb-queue queue.yaml",
      "-rw-r----- root cb-queue queue.creds",
      "-rw-r----- root cb-queue guest-signing.seed",
    ].join("\n"),
  );
  await machine.run("systemctl start cb-nats cb-queue");
  await until("cb-queue answers", async () => (await answers(machine)) === 1);
});

test("systemd restarts both services after SIGKILL", async ({ machine }) => {
  await machine.run("systemctl kill --signal KILL cb-nats cb-queue");
  await until("cb-queue answers again", async () => (await answers(machine)) === 2, 120_000);
  assert.is(await machine.run("systemctl show --value -p NRestarts cb-nats"), "1");
});

test("a stop of cb-queue ends it cleanly, and a stop of cb-nats is a lame duck", async ({ machine }) => {
  await machine.run("systemctl stop cb-queue cb-nats");
  for (const unit of ["cb-queue", "cb-nats"]) {
    assert.is(await machine.run(`systemctl show --value -p Result ${unit}`), "success");
    assert.is(await machine.run(`systemctl show --value -p ExecMainStatus ${unit}`), "0");
  }
  assert.match(await machine.run("journalctl -u cb-nats -o cat --no-pager"), /Entering lame duck mode/);
  assert.ok((await queueLog(machine)).includes("cb-queue has stopped"));
});

test("a wrong queue.yaml ends cb-queue without another start", async ({ machine }) => {
  await machine.run(`sed -i s/^installation/instalation/ ${ETC}/queue.yaml && ! systemctl start cb-queue`);
  await machine.reaches("cb-queue", "ActiveState", "failed");
  assert.is(await machine.run("systemctl show -p ExecMainStatus,NRestarts cb-queue"), "NRestarts=0\nExecMainStatus=78");
  assert.match(await machine.run("journalctl -u cb-queue -o cat --no-pager"), /instalation: is not a setting/);
});

test("a wrong nats-server.conf ends cb-nats after five starts", async ({ machine }) => {
  await machine.run(
    `echo 'broken {' >> ${ETC}/nats-server.conf && systemctl reset-failed cb-nats && systemctl start cb-nats`,
  );
  await machine.reaches("cb-nats", "ActiveState", "failed");
  // nats-server prints one line at each start.
  assert.is(await machine.run("journalctl -u cb-nats -o cat --no-pager | grep -c '^nats-server: Parse error'"), "5");
});

test("the hardened cb-queue.service lets a child of the queue report readiness", async ({ machine }) => {
  const start = `ExecStart=/bin/sh -c "systemd-notify --ready --status=trial; exec sleep 600"`;
  await writeFile(machine.path(`${DROP_IN}/trial.conf`), ["[Service]", "ExecStart=", start, ""].join("\n"));
  await machine.run("systemctl daemon-reload && systemctl reset-failed cb-queue && systemctl start cb-queue");
  assert.is(await machine.run("systemctl show -p Type,StatusText cb-queue"), "Type=notify\nStatusText=trial");
  await machine.run("systemctl stop cb-queue");
});

test("cb-registry runs docker-registry in the hardened unit, starts it again, and stops with it", async ({
  machine,
}) => {
  // As the steps of `cb-admin site init` say; Debian's package has started a registry on port 5000.
  await machine.run("systemctl disable --now docker-registry");
  assert.is(await machine.run("systemctl is-active cb-registry || true"), "inactive");
  const upstream = { version: "0.1", storage: { inmemory: {} }, http: { addr: "127.0.0.1:5999" } };
  await writeFile(machine.path("/etc/upstream.yml"), JSON.stringify(upstream));
  await machine.run("systemd-run --unit=upstream --quiet docker-registry serve /etc/upstream.yml");
  const registries = [{ host: "127.0.0.1:5999", plainHttp: true, listen: "127.0.0.1:5000" }];
  const config = { folder: "/var/lib/cb-registry", maxGiB: 1, registries };
  await writeFile(machine.path(`${ETC}/registry.yaml`), JSON.stringify(config));
  await machine.run("systemd-tmpfiles --create container-builder.conf && systemctl start cb-registry");
  assert.is(await machine.run(`stat -c '%A %U %G' ${ETC}/registry.yaml`), "-rw-r----- root cb-registry");
  const isAnswering = () => machine.run("wget -q -O - http://127.0.0.1:5000/v2/").catch(() => "");
  await until("the copy answers", async () => (await isAnswering()) === "{}");
  const children = "pgrep -u cb-registry -x docker-registry";
  assert.is(await machine.run(`${children} | wc -l`), "1");
  const first = await machine.run(children);
  await machine.run(`kill -KILL ${first}`);
  await until("another docker-registry answers", async () => {
    const pid = await machine.run(children).catch(() => first);
    return pid !== first && (await isAnswering()) === "{}";
  });
  await machine.run("systemctl stop cb-registry upstream");
  assert.is(await machine.run("systemctl show -p Result,NRestarts cb-registry"), "Result=success\nNRestarts=0");
  assert.is(await machine.run(`${children} || true`), "");
});

test("removing the package leaves the configuration and the data", async ({ machine }) => {
  await machine.run("dpkg -r container-builder-server");
  assert.is(
    await machine.run("test ! -e /opt/container-builder && ls /var/lib | grep ^cb-"),
    "cb-nats\ncb-queue\ncb-registry",
  );
  assert.match(await machine.run(`ls ${ETC}`), /queue\.creds/);
});

test.run();
