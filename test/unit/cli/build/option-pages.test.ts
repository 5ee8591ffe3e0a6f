/** The pages for people who come from apptainer and docker list the options that the program has, with the same words. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILD_OPTIONS, type Treatment } from "../../../../lib/cli/build/options/option-list.ts";

const test = suite("option pages");

const TABLES: Readonly<Record<string, Treatment>> = {
  "| taken | effect |": "shown",
  "| not needed | because |": "accepted",
  "| refused | instead |": "refused",
};

const page = (name: string): string =>
  readFileSync(new URL(`../../../../docs/from-${name}.md`, import.meta.url), "utf8");

/** The options in the tables of a page, as `treatment flags: text`. */
function listed(text: string): string[] {
  let treatment: Treatment | undefined;
  return text.split("\n").flatMap((line) => {
    if (!line.startsWith("|")) treatment = undefined;
    treatment = TABLES[line] ?? treatment;
    const [, flags, rest] = /^\| `([^`]+)` \| (.*) \|$/.exec(line) ?? [];
    return treatment === undefined || flags === undefined ? [] : [`${treatment} ${flags}: ${rest}`];
  });
}

test("each table row is an option of the program, and each option is in a table", () => {
  const declared = BUILD_OPTIONS.map(({ treatment, flags, text }) => `${treatment} ${flags}: ${text}`);
  const rows = new Set(["apptainer", "docker"].flatMap((name) => listed(page(name))));
  assert.equal([...rows].sort(), [...declared].sort());
});

test("each page has every treatment, and the refusal of -f", () => {
  for (const name of ["apptainer", "docker"]) {
    const rows = listed(page(name));
    for (const treatment of Object.values(TABLES)) assert.ok(rows.some((row) => row.startsWith(treatment)));
    assert.ok(rows.some((row) => row.startsWith("refused -f: ")));
  }
});

test("the page about apptainer names each variable that counts", () => {
  const [, section = ""] = page("apptainer").split("\n## Variables\n");
  for (const { treatment, variables = [] } of BUILD_OPTIONS) {
    if (treatment !== "accepted") for (const variable of variables) assert.match(section, `\`${variable}\``);
  }
});

test.run();
