import { Help } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { helpDetails } from "../../../lib/cli/help-details.ts";

const test = suite("help details");

const info = {
  name: "x",
  summary: "",
  examples: {
    "x one.sif one.def": "an effect that has more than forty characters, so that it needs a second line at 80",
  },
  variables: ["NATS_URL", "XDG_CONFIG_HOME"],
  failures: ["denied", "usage"],
} as const;

function lines(columns: number): string[] {
  const help = new Help();
  help.prepareContext({ helpWidth: columns });
  return helpDetails(info, help).split("\n");
}

test("helpDetails() wraps at words, within the width, and keeps the words", () => {
  const words = (columns: number) => lines(columns).join(" ").split(/ +/);
  for (const columns of [60, 80, 200]) {
    for (const line of lines(columns)) assert.ok(line.length <= columns, `${columns}: ${line}`);
    assert.equal(words(columns), words(1000));
  }
  assert.ok(lines(80).length > lines(200).length);
});

test("helpDetails() puts the text below a term that leaves it less than 40 columns", () => {
  assert.ok(lines(60).includes("  x one.sif one.def"));
  assert.ok(lines(80).some((line) => line.startsWith("  x one.sif one.def  an effect")));
});

test("helpDetails() sorts the exit codes", () => {
  assert.equal(lines(80).slice(-4, -1), [
    "  0   success",
    "  64  an argument, or a file that it names, is wrong",
    "  77  the credential does not permit this",
  ]);
});

test.run();
