/** The keys of an installation and a server with these keys, with the real openssl and nats-server. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Account, decode } from "@nats-io/jwt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openInstallation } from "../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { findNatsServer, startNatsServer } from "../../../infra/nats/server.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { until } from "../../support/until.ts";

const installation = suite("installation");

const HOUR_MS = 3_600_000;

const run = promisify(execFile);
const root = await mkdtemp(join(tmpdir(), "cb-installation-"));
installation.after(() => rm(root, { recursive: true, force: true }));

let made = 0;
const options = (folder = join(root, `keys${++made}`)) => ({
  folder,
  name: "test",
  serverName: "nats.test",
  nowMs: Date.now(),
});

async function failure(promise: Promise<unknown>): Promise<CbError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.instance(error, CbError);
  return error as CbError;
}

installation("makeInstallation() creates secrets with mode 0600, and no files beside the folder", async () => {
  const { files, folder } = await makeInstallation(options());
  assert.is((await stat(folder)).mode & 0o777, 0o700);
  const { operatorSeed, sysSeed, coreSeed, guestSeed, caKeyFile, keyFile } = files;
  const { coreSigningSeed, guestSigningSeed, queueCreds, operatorCreds, sysCreds } = files;
  const keys = [operatorSeed, sysSeed, coreSeed, guestSeed, coreSigningSeed, guestSigningSeed, caKeyFile, keyFile];
  for (const file of [...keys, queueCreds, operatorCreds, sysCreds]) {
    assert.is((await stat(file)).mode & 0o777, 0o600, file);
  }
  assert.equal(
    (await readdir(root)).filter((name) => name.startsWith(".")),
    [],
  );
});

installation("makeInstallation() reuses a complete installation, also without its offline part", async () => {
  const first = await makeInstallation(options());
  const seed = await readFile(first.files.guestSigningSeed, "utf8");
  await rm(join(first.folder, "offline"), { recursive: true });
  const second = await makeInstallation(options(first.folder));
  assert.equal(second, first);
  assert.is(await readFile(first.files.guestSigningSeed, "utf8"), seed);
});

installation("makeInstallation() replaces an incomplete installation, whichever file is missing", async () => {
  for (const missing of ["record", "guestJwt", "keyFile", "queueCreds"] as const) {
    const first = await makeInstallation(options());
    await rm(first.files[missing]);
    assert.is(await openInstallation(first.folder), undefined);
    const second = await makeInstallation(options(first.folder));
    assert.is.not(second.guest, first.guest);
  }
});

installation("makeInstallation() refuses a folder with other files, and leaves it unchanged", async () => {
  const folder = join(root, "home");
  await mkdir(folder);
  await writeFile(join(folder, "thesis.tex"), "x");
  assert.match((await failure(makeInstallation(options(folder)))).message, "thesis.tex");
  assert.equal(await readdir(folder), ["thesis.tex"]);
});

installation(
  "makeInstallation() refuses an address as name, and another name for an existing installation",
  async () => {
    for (const serverName of ["", "127.0.0.1", "::1", "a b", "-x", "A.b"]) {
      assert.is((await failure(makeInstallation({ ...options(), serverName }))).kind, "config", serverName);
    }
    const first = await makeInstallation(options());
    const other = makeInstallation({ ...options(first.folder), serverName: "other.test" });
    assert.match((await failure(other)).message, "nats.test");
  },
);

installation("the server's certificate has one DNS name and no address, and its CA verifies it", async () => {
  const { files } = await makeInstallation(options());
  const text = (await run("openssl", ["x509", "-noout", "-text", "-in", files.certFile])).stdout;
  assert.match(text, /DNS:nats\.test\n/);
  assert.not.match(text, /IP Address/);
  const verified = await run("openssl", ["verify", "-purpose", "sslserver", "-CAfile", files.caFile, files.certFile]);
  assert.match(verified.stdout, /OK/);
});

installation("the certificates are valid for a clock that is hours behind, and for 825 days", async () => {
  const { files } = await makeInstallation(options());
  for (const clockMs of [Date.now() - 23 * HOUR_MS, Date.now() + 23 * HOUR_MS]) {
    const at = ["-attime", String(Math.floor(clockMs / 1000))];
    const verified = await run("openssl", ["verify", ...at, "-CAfile", files.caFile, files.certFile]);
    assert.match(verified.stdout, /OK/);
  }
  const { validFrom, validTo } = new X509Certificate(await readFile(files.certFile));
  assert.is(Math.round((Date.parse(validTo) - Date.parse(validFrom)) / HOUR_MS / 24), 825);
});

installation("GUEST has no JetStream, no leaf nodes and no bearer tokens; only CORE has JetStream", async () => {
  const { files } = await makeInstallation(options());
  const [core, guest] = await Promise.all(
    [files.coreJwt, files.guestJwt].map(async (file) => decode<Account>(await readFile(file, "utf8")).nats),
  );
  assert.is(core?.limits?.disk_storage, -1);
  assert.is(guest?.limits?.disk_storage, undefined);
  for (const account of [core, guest]) {
    assert.is(account?.limits?.leaf, 0);
    assert.is(account?.limits?.disallow_bearer, true);
    assert.is(account?.signing_keys?.length, 1);
  }
});

installation("startNatsServer() throws the server's log when the server does not start", async () => {
  const keys = await makeInstallation(options());
  await writeFile(keys.files.certFile, "no certificate");
  const error = await failure(startNatsServer({ installation: keys, dataDir: join(root, "broken") }));
  assert.is(error.kind, "infrastructure");
  assert.match(error.hint ?? "", /certificate|PEM/);
});

installation("startNatsServer() throws when the program is missing, and when the port is in use", async () => {
  const keys = await makeInstallation(options());
  const missing = startNatsServer({ installation: keys, dataDir: join(root, "a"), natsServerPath: "no-such-server" });
  assert.is((await failure(missing)).kind, "config");
  const server = await startNatsServer({ installation: keys, dataDir: join(root, "b") });
  try {
    const second = startNatsServer({ installation: keys, dataDir: join(root, "c"), port: server.port });
    assert.match((await failure(second)).hint ?? "", /address already in use/);
  } finally {
    await server.stop();
  }
});

installation("an attached server ends with the process that started it, even a killed one", async () => {
  const keys = await makeInstallation(options());
  const program = `
    import { openInstallation } from "${new URL("../../../infra/nats/installation.ts", import.meta.url)}";
    import { startNatsServer } from "${new URL("../../../infra/nats/server.ts", import.meta.url)}";
    const installation = await openInstallation(${JSON.stringify(keys.folder)});
    const server = await startNatsServer({ installation, dataDir: ${JSON.stringify(join(root, "orphan"))} });
    console.log(server.pid);
    process.kill(process.pid, "SIGKILL");
  `;
  const file = join(root, "parent.mts");
  await writeFile(file, program);
  const parent = await run(process.execPath, ["--import", "tsx", file]).catch((error: { stdout: string }) => error);
  const pid = Number(parent.stdout);
  assert.ok(pid > 0);
  await until("the server has ended", () => isGone(pid));
});

installation("a detached server is found by its folder, is not started twice, and is ended by stop()", async () => {
  const keys = await makeInstallation(options());
  const dataDir = join(root, "detached");
  assert.is(await findNatsServer(dataDir), undefined);
  const server = await startNatsServer({ installation: keys, dataDir, detached: true });
  const found = await findNatsServer(dataDir);
  assert.equal([found?.url, found?.pid], [server.url, server.pid]);
  assert.match((await failure(startNatsServer({ installation: keys, dataDir }))).message, `process ${server.pid}`);
  await found?.stop();
  assert.is(await isGone(server.pid), true);
  assert.is(await findNatsServer(dataDir), undefined);
  await server.stop();
});

installation("findNatsServer() ignores a stale pid file that names another process", async () => {
  const dataDir = join(root, "stale");
  await mkdir(dataDir);
  await writeFile(join(dataDir, "nats-server.pid"), `${process.pid}`);
  await writeFile(join(dataDir, `nats-server_${process.pid}.ports`), '{"nats": ["tls://127.0.0.1:1"]}');
  assert.is(await findNatsServer(dataDir), undefined);
});

installation("makeInstallation() returns one installation to several concurrent calls", async () => {
  const same = options();
  const all = await Promise.all([1, 2, 3].map(() => makeInstallation(same)));
  assert.equal(new Set(all.map((one) => one.guest)).size, 1);
});

async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone");
  return stat === "gone" || stat.includes(") Z ");
}

installation.run();
