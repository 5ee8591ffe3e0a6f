import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exposure, exposureOf } from "../../../../lib/nats/credentials/creds-mode.ts";

const test = suite<{ folder: string }>("creds-mode");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-creds-mode-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

test("exposureOf() names the remedy for each mode that lets the group or others read", async ({ folder }) => {
  const path = join(folder, "user.creds");
  writeFileSync(path, "");
  for (const mode of [0o600, 0o400, 0o700, 0o711]) {
    chmodSync(path, mode);
    assert.is(await exposureOf(path), undefined, mode.toString(8));
  }
  for (const mode of [0o640, 0o604, 0o644]) {
    chmodSync(path, mode);
    assert.is(await exposureOf(path), `other users can read the credential ${path}: chmod 600 ${path}`);
  }
});

test("exposureOf() leaves a missing file to its reader", async ({ folder }) => {
  assert.is(await exposureOf(join(folder, "none")), undefined);
});

test("exposure() accepts a file of another owner that a group may read, and none that all may read", () => {
  const [root, own] = [0, 1000];
  assert.is(exposure("/etc/queue.creds", { uid: root, mode: 0o100640 }, own), undefined);
  assert.match(
    exposure("/etc/queue.creds", { uid: root, mode: 0o100644 }, own) ?? "",
    /its owner should run chmod o-r/,
  );
});

test.run();
