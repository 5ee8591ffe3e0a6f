import { statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { Collection, ENTRIES_MAX } from "../../../../lib/recipe/context/collection.ts";

const test = suite("collection");

test("add() accepts ENTRIES_MAX entries and refuses the next", () => {
  const collection = new Collection("stored");
  const stat = statSync("/");
  for (let index = 0; index < ENTRIES_MAX; index++) collection.add({ path: "/", stat });
  let error: unknown;
  try {
    collection.add({ path: "/", stat });
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, CbError);
  assert.is((error as CbError).kind, "usage");
  assert.match(String(error), "more than 1000000 files and folders");
});

test.run();
