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

test("parseYaml() gives what the schema makes of a good file", () => {
  assert.equal(parseYaml("name: a\npools:\n  - max: 1\n", "q.yaml", schema), { name: "a", pools: [{ max: 1 }] });
});

test("parseYaml() names every mistake at once, each with its line", () => {
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

test("parseYaml() names the line of what is no YAML", () => {
  assert.match(mistakesOf("name: a\npools: [\n").join(), "q.yaml:");
});

test("parseYaml() names the line of what is no YAML, and shows nothing of it: it may be a password", () => {
  const secret = "Hunter2x";
  const begun = ["*", "|", ">", "%", "@", "`", "'", '"', "{", "[", "- ", "x: y: ", ", ", '"\\p'];
  for (const start of begun) {
    const said = mistakesOf(`name: ${start}${secret}\npools: []\n`);
    assert.ok(said.length > 0, `${start} was taken`);
    assert.match(said.join("\n"), "q.yaml");
    assert.not.match(said.join("\n"), secret);
  }
  assert.match(mistakesOf(`name: *${secret}\npools: []\n`)[0] ?? "", "begins with * or & has to be in quotes");
});

test("parseYaml() takes an empty file for one without settings", () => {
  assert.ok(mistakesOf("").some((line) => line.includes("name: is missing")));
});

test.run();
