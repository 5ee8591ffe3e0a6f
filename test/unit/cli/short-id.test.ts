import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type IdKind, idPrefix, idWithPrefix } from "../../../lib/cli/short-id.ts";
import type { CbError } from "../../../lib/core/errors.ts";

const test = suite("short ids");

const BUILD: IdKind = { noun: "build", list: "cb-builds" };
const ID = "60c95481-92f3-4491-94d3-14c45bfbc279";
const OTHER = "60c95481-0000-4491-94d3-14c45bfbc279";

function refusal(work: () => unknown): CbError {
  try {
    work();
  } catch (error) {
    return error as CbError;
  }
  throw new Error("it was accepted");
}

test("idPrefix() takes a whole id and four characters of one, in either case, and refuses three", () => {
  assert.is(idPrefix(ID.toUpperCase(), BUILD), ID);
  assert.is(idPrefix("60C9", BUILD), "60c9");
  for (const text of ["", "60c", "hello", `${ID}0`, "60c9*"]) {
    const { kind, message } = refusal(() => idPrefix(text, BUILD));
    assert.equal([kind, message], ["usage", `${JSON.stringify(text)} is not the id of a build`]);
  }
});

test("idWithPrefix() returns the only id, and names the candidates of an ambiguous prefix, at most ten", () => {
  const two = [
    { id: ID, label: "a.sif running" },
    { id: OTHER, label: "" },
  ];
  assert.is(idWithPrefix("60c95481-9", two, BUILD), ID);
  const ambiguous = refusal(() => idWithPrefix("60c9", two, BUILD));
  assert.is(ambiguous.message, "the ids of 2 builds begin with 60c9");
  assert.is(ambiguous.hint, `give more characters: ${ID} (a.sif running), ${OTHER}`);
  const many = Array.from({ length: 12 }, () => ({ id: OTHER, label: "" }));
  assert.match(refusal(() => idWithPrefix("60c9", many, BUILD)).hint ?? "", /(, 60\S+){9} and 2 more$/);
  assert.match(
    refusal(() => idWithPrefix("77ab", two, BUILD)).message,
    "lists no build with an id that begins with 77ab",
  );
});

test.run();
