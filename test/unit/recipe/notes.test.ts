import { suite } from "uvu";
import * as assert from "uvu/assert";
import { recipeNotes } from "../../../lib/recipe/notes.ts";

const test = suite("notes");

const notes = (text: string): string[] => recipeNotes({ backend: "docker", text });

test("recipeNotes() warns about HEALTHCHECK, USER and ONBUILD, one line each", () => {
  const text =
    "FROM debian\nUSER a\nUSER b\nHEALTHCHECK --interval=5s CMD true\nONBUILD RUN true\nEXPOSE 80\nVOLUME /x\n";
  const found = notes(text);
  assert.is(found.length, 3);
  assert.match(found[0] ?? "", /^line 4: HEALTHCHECK is ignored/);
  assert.match(found[1] ?? "", /^line 3: USER is ignored/);
  assert.match(found[2] ?? "", /^line 5: ONBUILD is ignored/);
});

test("recipeNotes() ignores other stages, USER root, HEALTHCHECK NONE, and here-documents", () => {
  assert.equal(notes("FROM debian AS a\nUSER x\nHEALTHCHECK CMD true\nFROM debian\nUSER root\nHEALTHCHECK NONE\n"), []);
  assert.equal(notes("FROM debian\nUSER x\nUSER 0:0\nRUN <<E\nHEALTHCHECK CMD true\nE\n"), []);
});

test("recipeNotes() returns none for a definition file", () => {
  assert.equal(recipeNotes({ backend: "singularity", text: "Bootstrap: docker\nFrom: debian\n%help\nUSER x\n" }), []);
});

test("a library without an address gets a note, and one with an address or another source gets none", () => {
  const notes = (text: string, library?: string) =>
    recipeNotes({ backend: "singularity", text, ...(library === undefined ? {} : { options: { library } }) });
  const text = "\nBootstrap: library\nFrom: a/b/c\n";
  assert.equal(notes(text).length, 1);
  assert.match(notes(text)[0] ?? "", "line 2: library:// needs --library URL");
  assert.equal(notes(text, "https://l"), []);
  assert.equal(notes(`${text}Library: https://l\n`), []);
  assert.equal(notes("Bootstrap: docker\nFrom: library/x\n"), []);
});

test.run();
