import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ScriptSigns } from "../../../../lib/recipe/definition/made-by-script.ts";

const test = suite("ScriptSigns");

const NAMES = 1000;
/** Each path without a pattern is compared with every name of the script that has a variable. */
const COMPARED_PATHS = 200_000 / NAMES;

test("a script that needs more than 200000 comparisons counts as one that may make any file", () => {
  const signs = new ScriptSigns(Array.from({ length: NAMES }, (_, number) => `touch tool${number}-$V`).join("\n"));
  for (let count = 1; count <= COMPARED_PATHS; count += 1) assert.is(signs.mayMake("other"), false, `path ${count}`);
  assert.is(signs.mayMake("other"), true);
});

test("a pattern is compared with each name of the script, and each name with a variable with it", () => {
  // 999 names without a variable, and `touch`.
  const signs = new ScriptSigns(Array.from({ length: NAMES - 1 }, (_, number) => `touch tool${number}`).join("\n"));
  for (let count = 1; count <= COMPARED_PATHS; count += 1) assert.is(signs.mayMake("other*"), false, `path ${count}`);
  assert.is(signs.mayMake("other*"), true);
});

test.run();
