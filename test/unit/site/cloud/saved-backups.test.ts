import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newBackup, removeOldBackups } from "../../../../infra/site/cloud/saved-backups.ts";

const test = suite<{ root: string }>("saved backups of a site");

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "cb-backups-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true }));

test("removeOldBackups() keeps the newest three and all folders with other names, and says so", async ({ root }) => {
  assert.is(await removeOldBackups(root), undefined);
  for (let minute = 1; minute <= 3; minute++) mkdirSync(await newBackup(root, minute * 60_000));
  assert.is(await removeOldBackups(root), undefined);
  mkdirSync(await newBackup(root, 4 * 60_000));
  for (const name of ["mine", ".1970-01-01T00-09-00-000Z.uuid.part"]) mkdirSync(join(root, "backups", name));
  assert.is(await removeOldBackups(root), `Removed 2 old backups in ${join(root, "backups")}; the newest 3 stay`);
  assert.equal(readdirSync(join(root, "backups")).sort(), [
    ...["1970-01-01T00-02-00-000Z", "1970-01-01T00-03-00-000Z", "1970-01-01T00-04-00-000Z"],
    "mine",
  ]);
});

test.run();
