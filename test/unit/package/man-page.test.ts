import { suite } from "uvu";
import * as assert from "uvu/assert";
import { manPage } from "../../../infra/package/manual/man-page.ts";
import type { CommandModel, ProgramModel } from "../../../lib/cli/command-model.ts";
import { GROUP_USAGE } from "../../../lib/cli/program.ts";

const test = suite("infra/package/manual/man-page");

const command = (name: string, commands: readonly CommandModel[] = []): CommandModel => ({
  name,
  summary: `the summary of ${name}`,
  usage: "[options]",
  arguments: [],
  options: [],
  commands,
});

const program = (over: Partial<ProgramModel> = {}): ProgramModel => ({
  ...command("cb-x"),
  summary: "Do a thing. Then another.",
  examples: [],
  variables: [],
  files: [],
  exitCodes: [["0", "success"]],
  ...over,
});

const page = (model: ProgramModel): string =>
  manPage(model, { section: 8, epochS: 86_400, version: "1.2.3", seeAlso: ["cb-y(1)", "cb-z(8)"] });

test("manPage() begins with name, section, day and version, and a purpose for makewhatis", () => {
  const text = page(program());
  assert.ok(
    text.startsWith('.TH "CB\\-X" 8 1970-01-02 "container-builder 1.2.3"'.replace("container-", "container\\-")),
  );
  assert.match(text, "\n.SH NAME\ncb\\-x \\- do a thing\n");
  assert.match(text, "\n.SH SEE ALSO\n.BR cb\\-y (1) ,\n.BR cb\\-z (8)\n");
});

test("manPage() keeps characters that roff reads as commands or as other signs", () => {
  const text = page(program({ examples: [[`./a \\n 'b' "c" ~d`, ".e"]] }));
  assert.match(text, "\n.TP\n.B \\&./a \\en \\(aqb\\(aq \\(dqc\\(dq \\(tid\n\\&.e\n");
});

test("manPage() describes each command, and leaves out those that only group others", () => {
  const group = { ...command("user", [command("add")]), usage: GROUP_USAGE };
  const text = page(program({ commands: [group, command("streams", [command("delete")])] }));
  assert.equal(text.match(/^\.SS .*/gm), [
    '.SS "user add [options]"',
    '.SS "streams [options]"',
    '.SS "streams delete [options]"',
  ]);
  assert.not.match(page(program()), ".SH COMMANDS");
});

test.run();
