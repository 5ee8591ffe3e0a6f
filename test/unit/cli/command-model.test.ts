import { Command, Option } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { programModel } from "../../../lib/cli/command-model.ts";

const test = suite("command model");

const info = { name: "x", summary: "", examples: {}, variables: [], failures: ["usage"] } as const;
const command = () =>
  new Command("x")
    .argument("<image>")
    .argument("[id...]")
    .option("-o, --output <directory>", "where")
    .option("--name <name...>", "names")
    .addOption(new Option("--form <form>", "how").choices(["a", "b"]).helpGroup("Form:"))
    .addOption(new Option("--secret").hideHelp());

test("programModel() has the visible options, with their groups and the kinds of their values", () => {
  const { options } = programModel(command(), info);
  assert.equal(
    options.map(({ flags, value, group }) => [flags.join(" "), value?.kind, value?.name, group]),
    [
      ["-o --output", "directory", "directory", undefined],
      ["--name", "none", "name", undefined],
      ["--form", "choice", "form", "Form:"],
      ["-h --help", undefined, undefined, undefined],
    ],
  );
});

test("programModel() has arguments, commands, and further commands by their last word", () => {
  const own = command();
  own.command("add");
  const model = programModel(own, { ...info, commands: [new Command("x doctor").option("--json")] });
  assert.equal(
    model.arguments.map(({ term, kind, isVariadic }) => [term, kind, isVariadic]),
    [
      ["<image>", "file", false],
      ["[id...]", "none", true],
    ],
  );
  assert.equal(
    model.commands.map(({ name }) => name),
    ["add", "doctor"],
  );
});

test.run();
