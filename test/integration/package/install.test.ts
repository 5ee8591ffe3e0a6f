/** The client archive's `install`: versions side by side, one switch, and no removal of a version in use. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addClientFiles, addInstaller } from "../../../infra/package/tree.ts";
import { build } from "../../../infra/tools/build.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { Issuer } from "../../../lib/nats/credentials/issuer.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";

const test = suite<{ folder: string; target: string }>("install of the client");

let built: string;

test.before(async () => {
  built = mkdtempSync(join(tmpdir(), "cb-install-built-"));
  await build({ outDir: built, programs: ["cb-status"], node: "own", withAgent: false });
});
test.after(() => rmSync(built, { recursive: true }));
test.before.each((context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-install-"));
  Object.assign(context, { folder, target: join(folder, "sw/container-builder") });
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

/** An unpacked archive with one program and the Node of this test. `content` tells two builds of one version apart. */
async function unpacked(folder: string, version: string, content = ""): Promise<string> {
  const tree = join(folder, `archive-${version}${content}`);
  cpSync(built, tree, { recursive: true });
  mkdirSync(join(tree, "lib"));
  mkdirSync(join(tree, "share"));
  writeFileSync(join(tree, "share/inputs.json"), content);
  symlinkSync(process.execPath, join(tree, "lib/node"));
  await addClientFiles(tree, version);
  await addInstaller(tree, version);
  return tree;
}

function install(tree: string, ...args: string[]): { status: number | null; stderr: string } {
  return spawnSync(join(tree, "install"), args, { encoding: "utf8" });
}

/** As if the version had been replaced two days ago. */
function age(path: string): void {
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  utimesSync(path, twoDaysAgo, twoDaysAgo);
}

const list = (target: string): string[] => readdirSync(target).sort();
const moduleDefault = (target: string): string =>
  readFileSync(join(target, "modulefiles/container-builder/.version"), "utf8").split('"')[1] ?? "";

test("a new version becomes current and the default, with the settings of the former one, which stays", async ({
  folder,
  target,
}) => {
  const site = join(folder, "site");
  mkdirSync(site);
  writeFileSync(join(site, "config.yaml"), "url: tls://nats.example.org\n", { mode: 0o600 });
  const [one, two] = [await unpacked(folder, "1.0.0"), await unpacked(folder, "2.0.0")];
  assert.is(install(one, target, "--config", site).status, 0);
  assert.is(readlinkSync(join(target, "current")), "container-builder-1.0.0");
  assert.is(moduleDefault(target), "1.0.0");

  assert.is(install(two, target).status, 0);
  assert.equal(list(target), ["container-builder-1.0.0", "container-builder-2.0.0", "current", "modulefiles"]);
  assert.is(readlinkSync(join(target, "current")), "container-builder-2.0.0");
  assert.is(moduleDefault(target), "2.0.0");
  const config = join(target, "current/etc/container-builder/config.yaml");
  assert.is(readFileSync(config, "utf8"), "url: tls://nats.example.org\n");
  const modulefile = join(target, "modulefiles/container-builder/1.0.0");
  assert.match(readFileSync(modulefile, "utf8"), /Version: 1\.0\.0/);
  const { stdout } = spawnSync(join(target, "current/bin/cb-status"), ["--version"], { encoding: "utf8" });
  assert.is(stdout, `${VERSION}\n`);

  writeFileSync(join(site, "config.yaml"), "url: tls://new.example.org\n");
  assert.is(install(two, target, "--config", site).status, 0);
  assert.is(readFileSync(config, "utf8"), "url: tls://new.example.org\n");
  assert.is(install(one, target).status, 0);
  assert.is(moduleDefault(target), "1.0.0");
});

/** Starts the current cb-status, and stops it by SIGSTOP as soon as it has connected: its own time limits do not end it. */
async function startWaiting(
  folder: string,
  target: string,
): Promise<{ program: ChildProcess; end: () => Promise<void> }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const [{ publicKey: guestAccount }, signingKey] = [createKey("account"), createKey("account")];
  const { creds } = new Issuer({ guestAccount, signingKey, nowMs: Date.now }).userCreds("ada");
  writeFileSync(join(folder, "creds"), creds);
  const env = { ...process.env, NATS_URL: `nats://127.0.0.1:${port}`, NATS_CREDS: join(folder, "creds") };
  const program = spawn(join(target, "current/bin/cb-status"), [], { env, stdio: ["ignore", "ignore", "inherit"] });
  // The program ends, and the test fails, if it cannot start.
  await Promise.race([once(server, "connection"), once(program, "exit")]);
  program.kill("SIGSTOP");
  const end = async () => {
    program.kill("SIGKILL");
    await once(program, "exit");
    server.close();
  };
  return { program, end };
}

test("a version stays while a program of it runs, for a day, and as one of those to keep", async ({
  folder,
  target,
}) => {
  const [one, two] = [await unpacked(folder, "1.0.0"), await unpacked(folder, "2.0.0")];
  const three = await unpacked(folder, "3.0.0");
  install(one, target);
  const { program, end } = await startWaiting(folder, target);
  try {
    const replaced = install(two, target, "--keep", "0");
    assert.match(replaced.stderr, /container-builder-1\.0\.0 stays: it was replaced less than a day ago/);
    age(join(target, "container-builder-1.0.0"));
    const used = install(two, target, "--keep", "0");
    assert.match(used.stderr, /container-builder-1\.0\.0 stays: it is in use/);
    assert.is(program.exitCode, null);
  } finally {
    await end();
  }
  assert.match(install(three, target).stderr, /container-builder-1\.0\.0 is removed/);
  age(join(target, "container-builder-2.0.0"));
  assert.is(install(three, target).status, 0);
  assert.equal(list(target), ["container-builder-2.0.0", "container-builder-3.0.0", "current", "modulefiles"]);
  assert.equal(list(join(target, "modulefiles/container-builder")), [".version", "2.0.0", "3.0.0"]);
});

test("a damaged archive, a damaged version and another build of a version change nothing", async ({
  folder,
  target,
}) => {
  const [one, other, two] = [
    await unpacked(folder, "1.0.0"),
    await unpacked(folder, "1.0.0", "other"),
    await unpacked(folder, "2.0.0"),
  ];
  install(one, target);
  const before = list(target);
  writeFileSync(join(two, "share/inputs.json"), "damaged");
  const damaged = install(two, target);
  assert.is(damaged.status, 75);
  assert.match(
    damaged.stderr,
    /share\/inputs\.json: FAILED[\s\S]*the files in .* are damaged\n {2}unpack the archive again/,
  );
  const another = install(other, target);
  assert.is(another.status, 73);
  assert.match(another.stderr, /container-builder-1\.0\.0 is another build of version 1\.0\.0/);
  rmSync(join(target, "current/share/inputs.json"));
  const broken = install(one, target);
  assert.is(broken.status, 73);
  assert.match(broken.stderr, /files in .*container-builder-1\.0\.0 are damaged/);
  assert.equal(list(target), before);
});

test("an installation that was killed leaves the former version current, and the next one removes its remains", async ({
  folder,
  target,
}) => {
  const one = await unpacked(folder, "1.0.0");
  mkdirSync(join(target, ".installing-killed/container-builder-1.0.0"), { recursive: true });
  mkdirSync(join(target, ".installing-present"));
  age(join(target, ".installing-killed"));
  assert.is(install(one, target).status, 0);
  assert.equal(list(target), [".installing-present", "container-builder-1.0.0", "current", "modulefiles"]);
});

test("wrong arguments are refused before anything is written", async ({ folder, target }) => {
  const one = await unpacked(folder, "1.0.0");
  const cases = [
    [[], /no target is named/],
    [[target, "other"], /there is one target, and other is a second/],
    [[target, "--keep"], /--keep needs a value/],
    [[target, "--keep", "-1"], /--keep must be a number from 0 to 99, not -1/],
    [[target, "--keep", "100"], /--keep must be a number from 0 to 99, not 100/],
    [[target, "--colour"], /unknown option --colour/],
    [[target, "--config", folder], /cannot read .*\/config\.yaml/],
  ] as const;
  for (const [args, message] of cases) {
    const { status, stderr } = install(one, ...args);
    assert.is(status, 64, stderr);
    assert.match(stderr, message);
  }
  assert.not.ok(existsSync(target));
  writeFileSync(join(folder, "file"), "");
  const refused = install(one, join(folder, "file/target"));
  assert.is(refused.status, 73);
  assert.match(refused.stderr, /cannot create .*file\/target/);
});

test.run();
