/** An installation's keys and the server that runs on them: real openssl, real nats-server. */
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

installation("makeInstallation() makes secrets for the owner alone, and nothing beside the folder", async () => {
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

installation("makeInstallation() reuses what is whole, also when the offline part was taken away", async () => {
  const first = await makeInstallation(options());
  const seed = await readFile(first.files.guestSigningSeed, "utf8");
  await rm(join(first.folder, "offline"), { recursive: true });
  const second = await makeInstallation(options(first.folder));
  assert.equal(second, first);
  assert.is(await readFile(first.files.guestSigningSeed, "utf8"), seed);
});

installation("makeInstallation() makes new what was interrupted, whichever file is missing", async () => {
  for (const missing of ["record", "guestJwt", "keyFile", "queueCreds"] as const) {
    const first = await makeInstallation(options());
    await rm(first.files[missing]);
    assert.is(await openInstallation(first.folder), undefined);
    const second = await makeInstallation(options(first.folder));
    assert.is.not(second.guest, first.guest);
  }
});

installation("makeInstallation() touches no folder that holds something else", async () => {
  const folder = join(root, "home");
  await mkdir(folder);
  await writeFile(join(folder, "thesis.tex"), "x");
  assert.match((await failure(makeInstallation(options(folder)))).message, "thesis.tex");
  assert.equal(await readdir(folder), ["thesis.tex"]);
});

installation(
  "makeInstallation() refuses an address as name, and another name for an installation there is",
  async () => {
    for (const serverName of ["", "127.0.0.1", "::1", "a b", "-x", "A.b"]) {
      assert.is((await failure(makeInstallation({ ...options(), serverName }))).kind, "config", serverName);
    }
    const first = await makeInstallation(options());
    const other = makeInstallation({ ...options(first.folder), serverName: "other.test" });
    assert.match((await failure(other)).message, "nats.test");
  },
);

installation("the server's certificate carries its one DNS name and no address, and its CA verifies it", async () => {
  const { files } = await makeInstallation(options());
  const text = (await run("openssl", ["x509", "-noout", "-text", "-in", files.certFile])).stdout;
  assert.match(text, /DNS:nats\.test\n/);
  assert.not.match(text, /IP Address/);
  const verified = await run("openssl", ["verify", "-purpose", "sslserver", "-CAfile", files.caFile, files.certFile]);
  assert.match(verified.stdout, /OK/);
});

installation(
  "its certificates are good for a clock that is hours behind, and no longer than TLS libraries take",
  async () => {
    const { files } = await makeInstallation(options());
    for (const clockMs of [Date.now() - 23 * HOUR_MS, Date.now() + 23 * HOUR_MS]) {
      const at = ["-attime", String(Math.floor(clockMs / 1000))];
      const verified = await run("openssl", ["verify", ...at, "-CAfile", files.caFile, files.certFile]);
      assert.match(verified.stdout, /OK/);
    }
    const { validFrom, validTo } = new X509Certificate(await readFile(files.certFile));
    assert.is(Math.round((Date.parse(validTo) - Date.parse(validFrom)) / HOUR_MS / 24), 825);
  },
);

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

installation("startNatsServer() says with the server's own words why it did not start", async () => {
  const keys = await makeInstallation(options());
  await writeFile(keys.files.certFile, "no certificate");
  const error = await failure(startNatsServer({ installation: keys, dataDir: join(root, "broken") }));
  assert.is(error.kind, "infrastructure");
  assert.match(error.hint ?? "", /certificate|PEM/);
});

installation("startNatsServer() says that the program is missing, and that the port is taken", async () => {
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

installation("an attached server dies with the process that started it, even when that is killed", async () => {
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
  await until("the orphan is gone", () => isGone(pid));
});

installation("a detached server is found by its folder, is not started twice, and ends by stop()", async () => {
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

installation("findNatsServer() is not fooled by a stale pid file that names another process", async () => {
  const dataDir = join(root, "stale");
  await mkdir(dataDir);
  await writeFile(join(dataDir, "nats-server.pid"), `${process.pid}`);
  await writeFile(join(dataDir, `nats-server_${process.pid}.ports`), '{"nats": ["tls://127.0.0.1:1"]}');
  assert.is(await findNatsServer(dataDir), undefined);
});

installation("makeInstallation() by several at once gives all of them the same one", async () => {
  const wish = options();
  const all = await Promise.all([1, 2, 3].map(() => makeInstallation(wish)));
  assert.equal(new Set(all.map((one) => one.guest)).size, 1);
});

async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone");
  return stat === "gone" || stat.includes(") Z ");
}

installation.run();
