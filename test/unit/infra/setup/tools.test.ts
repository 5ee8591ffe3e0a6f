import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { missingTools, missingToolsError } from "../../../../infra/tools/setup/ensure-tools.ts";
import { findPrograms } from "../../../../infra/tools/setup/find-program.ts";
import { isRecent, natsServerPath } from "../../../../infra/tools/setup/nats-server.ts";
import { ALL_TOOLS, TOOLS } from "../../../../infra/tools/setup/packages.ts";
import { CbError } from "../../../../lib/core/errors.ts";

const test = suite<{ folder: string }>("infra/tools/setup");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-setup-"));
});
test.after.each((context) => rmSync(context.folder, { recursive: true }));

function program(folder: string, name: string, output: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho '${output}'\n`);
  chmodSync(path, 0o755);
  return path;
}

async function failureOf(work: Promise<unknown>): Promise<CbError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, CbError);
  return error as CbError;
}

test("findPrograms() returns executables in the order of PATH and skips other files", ({ folder }) => {
  const path = program(folder, "sh", "own");
  assert.is(findPrograms("sh", folder)[0], path);
  assert.ok(findPrograms("sh", folder).includes("/bin/sh"));
  chmodSync(path, 0o644);
  assert.not(findPrograms("sh", folder).includes(path));
});

test("findPrograms() finds nothing for the name of no program", ({ folder }) => {
  assert.equal(findPrograms("no-such-program-here", folder), []);
});

test("missingTools() does not list nats-server, which needs no root", ({ folder }) => {
  assert.equal(missingTools(["nats-server"], folder), []);
});

test("missingToolsError() names each tool, its purpose, and one command with each package once", () => {
  const error = missingToolsError(["unshare", "nsenter", "slirp4netns"], true);
  assert.is(error.kind, "config");
  for (const tool of ["unshare", "nsenter", "slirp4netns"] as const) {
    assert.ok(error.message.includes(`${tool}: ${TOOLS[tool].purpose}`));
  }
  assert.match(error.hint ?? "", /sudo apt-get install -y --no-install-recommends util-linux slirp4netns$/);
});

test("missingToolsError() names no apt command when the system has no apt", () => {
  assert.not.match(missingToolsError(["ip"], false).hint ?? "", /apt-get/);
});

test("TOOLS gives every tool a package and a purpose", () => {
  for (const tool of ALL_TOOLS) assert.ok(TOOLS[tool].package && TOOLS[tool].purpose, tool);
});

test("isRecent() is true from 2.9.10 on", () => {
  assert.not(isRecent([2, 9, 9]));
  assert.ok(isRecent([2, 9, 10]));
  assert.ok(isRecent([2, 10, 0]));
  assert.not(isRecent([1, 10, 20]));
  assert.ok(isRecent([3, 0, 0]));
  assert.not(isRecent(undefined));
});

test("natsServerPath() takes the server that NATS_SERVER names", async ({ folder }) => {
  const path = program(folder, "mine", "nats-server: v2.10.1");
  assert.is(await natsServerPath({ env: { NATS_SERVER: path, PATH: "" } }), path);
});

test("natsServerPath() takes the first server in PATH that is recent enough", async ({ folder }) => {
  const path = program(folder, "nats-server", "nats-server: v2.9.10");
  assert.is(await natsServerPath({ env: { PATH: folder } }), path);
});

test("natsServerPath() takes the newest server in the cache that runs here", async ({ folder }) => {
  const tools = join(folder, "container-builder", "tools");
  const env = { XDG_CACHE_HOME: folder, PATH: "" };
  mkdirSync(tools, { recursive: true });
  program(tools, `nats-server-host-${process.arch}`, "nats-server: v2.9.10");
  const trixie = program(tools, `nats-server-trixie-${process.arch}`, "nats-server: v2.10.27");
  program(tools, `nats-server-sid-${process.arch}`, "libc.so.6: version GLIBC_2.99 not found");
  assert.is(await natsServerPath({ env }), trixie);
  const sid = program(tools, `nats-server-sid-${process.arch}`, "nats-server: v2.15.1");
  assert.is(await natsServerPath({ env }), sid);
});

test("natsServerPath() refuses a NATS_SERVER that is too old, and names both versions", async ({ folder }) => {
  const path = program(folder, "old", "nats-server: v2.9.9");
  const error = await failureOf(natsServerPath({ env: { NATS_SERVER: path } }));
  assert.is(error.kind, "config");
  assert.match(error.message, /is version 2\.9\.9; 2\.9\.10 or newer is needed/);
});

test("natsServerPath() refuses a NATS_SERVER that is no nats-server", async ({ folder }) => {
  const error = await failureOf(natsServerPath({ env: { NATS_SERVER: join(folder, "nothing") } }));
  assert.is(error.kind, "config");
  assert.match(error.message, /is no nats-server/);
});

test.run();
