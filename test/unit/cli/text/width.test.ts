import { suite } from "uvu";
import * as assert from "uvu/assert";
import { columnsOf, cutToColumns, fit, padColumns } from "../../../../lib/cli/text/width.ts";

const test = suite("width");

test("columnsOf() counts wide characters and emoji as two columns, and marks as none", () => {
  assert.equal(
    ["", "abc", "é", "e\u0301", "世界", "한", "ａ", "👩‍💻", "…"].map(columnsOf),
    [0, 3, 1, 1, 4, 2, 2, 2, 1],
  );
});

test("fit() cuts a longer text with … and never a wide character in the middle", () => {
  assert.is(fit("abcd", 4), "abcd");
  assert.is(fit("abcde", 4), "abc…");
  assert.is(fit("世世", 4), "世世");
  assert.is(fit("世世世", 4), "世…");
  assert.is(cutToColumns("世世世", 5), "世世");
  assert.is(padColumns("世", 4), "世  ");
});

test.run();
