import { suite } from "uvu";
import * as assert from "uvu/assert";
import { coversIds } from "../../../../lib/recipe/context/unpack.ts";

const test = suite("unpack");

test("coversIds() checks every id up to the highest, over all ranges of the map", () => {
  const host = "         0          0 4294967295\n";
  assert.ok(coversIds(host, 4_294_967_294));
  assert.not(coversIds(host, 4_294_967_295));
  const sandbox = "         0     100000      65536\n";
  assert.ok(coversIds(sandbox, 65_535));
  assert.not(coversIds(sandbox, 65_536));
  assert.ok(coversIds("0 1000 1\n1 100000 65536\n", 65_536));
  assert.ok(coversIds("1 100000 65536\n0 1000 1\n", 65_536));
  assert.not(coversIds("0 1000 1\n2 100000 65536\n", 1));
  assert.not(coversIds("", 0));
});

test.run();
