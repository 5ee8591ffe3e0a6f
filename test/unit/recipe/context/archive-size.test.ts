import { statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { entryBytes } from "../../../../lib/recipe/context/archive-size.ts";

const test = suite("archive size");

test("entryBytes() names a sparse file that has been deleted meanwhile", () => {
  const stat = Object.assign(statSync(import.meta.filename), { size: 1024 ** 2, blocks: 8 });
  try {
    entryBytes({ path: "/nowhere/sparse", stat, linkBytes: 0, isRepeat: false });
  } catch (error) {
    assert.instance(error, CbError);
    assert.is((error as CbError).kind, "usage");
    return assert.match((error as CbError).message, "cannot read /nowhere/sparse (ENOENT)");
  }
  assert.unreachable();
});

test.run();
