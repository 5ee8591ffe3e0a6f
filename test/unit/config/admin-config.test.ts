import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adminConfig } from "../../../lib/config/admin-config.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("admin config");
const root = mkdtempSync(join(tmpdir(), "cb-admin-config-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

function folderWith(name: string, text?: string): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  if (text !== undefined) writeFileSync(join(folder, "admin.yaml"), text);
  return folder;
}

const folders = (config: string, local: string) => ({ config, local, state: root, cache: root, siteConfig: [] });
const settings = (url: string) => `url: ${url}\ncreds: /c\n`;

function errorOf(work: () => unknown): CbError {
  try {
    work();
  } catch (error) {
    assert.instance(error, CbError);
    return error as CbError;
  }
  throw new Error("nothing was thrown");
}

test("adminConfig() reads the given file, else the operator's own, else the local stack's", () => {
  const [own, local, empty] = [
    folderWith("own", settings("tls://own")),
    folderWith("local", settings("tls://local")),
    folderWith("no"),
  ];
  assert.is(adminConfig(join(local, "admin.yaml"), folders(own, empty)).url, "tls://local");
  assert.is(adminConfig(undefined, folders(own, local)).url, "tls://own");
  assert.equal(adminConfig(undefined, folders(empty, local)), {
    url: "tls://local",
    creds: "/c",
    from: join(local, "admin.yaml"),
  });
});

test("adminConfig() names the possible paths if there is no file, and each mistake of a file with its line", () => {
  const empty = folderWith("no");
  const missing = errorOf(() => adminConfig(undefined, folders(empty, empty)));
  assert.is(missing.kind, "config");
  assert.match(missing.hint ?? "", `${empty}/admin.yaml or /etc/container-builder/admin.yaml`);
  const bad = folderWith("bad", "url: tls://x\ncreds: c\naccount:\n  jwt: /j\n  key: /k\n  sysCreds: /s\n");
  const wrong = errorOf(() => adminConfig(undefined, folders(bad, empty)));
  for (const mistake of [
    /:2: creds: must be an absolute path/,
    /account.operatorKey: is missing/,
    /:5: account.key: is not/,
  ]) {
    assert.match(wrong.message, mistake);
  }
});

test.run();
