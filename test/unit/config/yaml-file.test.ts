import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { parseYaml } from "../../../lib/config/yaml-file.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("yaml file");

const schema = v.strictObject({
  name: v.string(),
  pools: v.array(v.strictObject({ max: v.number() })),
});

function mistakesOf(text: string): string[] {
  try {
    parseYaml(text, "q.yaml", schema);
  } catch (error) {
    assert.ok(error instanceof CbError);
    assert.is(error.kind, "config");
    return error.message.split("\n").slice(1);
  }
  return [];
}

test("parseYaml() returns the parsed value of a valid file", () => {
  assert.equal(parseYaml("name: a\npools:\n  - max: 1\n", "q.yaml", schema), { name: "a", pools: [{ max: 1 }] });
});

test("parseYaml() reports every mistake at once, each with its line", () => {
  const mistakes = mistakesOf("nmae: a\npools:\n  - max: 1\n  - max: many\n");
  assert.equal(mistakes.length, 3);
  assert.ok(
    mistakes.some((line) => line.includes("q.yaml:1: name: is missing")),
    mistakes.join("\n"),
  );
  assert.ok(
    mistakes.some((line) => line.includes("q.yaml:1: nmae: is not a setting")),
    mistakes.join("\n"),
  );
  assert.ok(
    mistakes.some((line) => line.includes("q.yaml:4: pools.1.max:")),
    mistakes.join("\n"),
  );
});

test("parseYaml() reports the line of a syntax error", () => {
  assert.match(mistakesOf("name: a\npools: [\n").join(), "q.yaml:");
});

test("parseYaml() quotes nothing of the file in a syntax error, because it may be a password", () => {
  const secret = "Hunter2x";
  const prefixes = ["*", "|", ">", "%", "@", "`", "'", '"', "{", "[", "- ", "x: y: ", ", ", '"\\p'];
  for (const prefix of prefixes) {
    const mistakes = mistakesOf(`name: ${prefix}${secret}\npools: []\n`);
    assert.ok(mistakes.length > 0, `${prefix} was accepted`);
    assert.match(mistakes.join("\n"), "q.yaml");
    assert.not.match(mistakes.join("\n"), secret);
  }
  assert.match(mistakesOf(`name: *${secret}\npools: []\n`)[0] ?? "", "put a value that begins with * or & in quotes");
});

test("parseYaml() treats an empty file as one without settings", () => {
  assert.ok(mistakesOf("").some((line) => line.includes("name: is missing")));
});

test.run();
