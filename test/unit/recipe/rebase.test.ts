import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import { rebaseSources } from "../../../lib/recipe/rebase.ts";

const test = suite("rebase");

const HEADER = "Bootstrap: docker\nFrom: debian:12\n";
const rebased = (text: string, buildArgs: Record<string, string> = {}): string =>
  rebaseSources({ backend: "singularity", text, buildArgs } satisfies Recipe, "/ctx");
/** The lines of %files after rebaseSources(). */
const files = (...lines: string[]): string[] => {
  const [head, ...rest] = rebased(`${HEADER}%files\n${lines.join("\n")}`).split("%files\n");
  assert.is(head, HEADER);
  return rest.join("%files\n").split("\n");
};

test("rebaseSources() keeps a recipe without absolute sources byte for byte", () => {
  const text =
    "\r\nbootstrap:  localimage # x\r\nFrom: ../b.sif\n\n%files\n\ta  /a\n  ../b\n %post\n echo {{ n }} /a\t\r\n";
  assert.is(rebased(text, { n: "1" }), text);
});

test("rebaseSources() puts the root before absolute sources, and changes no other line", () => {
  const text = `${HEADER}\n%files\n    /etc/hosts /x # c\r\n    a /a\n    # /b /b\n\n%post\n    /bin/true /x\n`;
  assert.is(rebased(text), text.replace("    /etc/hosts /x # c\r\n", '    "/ctx/etc/hosts" "/x"\n'));
});

test("rebaseSources() adds the destination that apptainer would choose", () => {
  assert.equal(files("/data/x.txt", "/data/*.txt", "/data/d/", "a"), [
    '"/ctx/data/x.txt" "/data/x.txt"',
    '"/ctx/data/*.txt" "/data/"',
    '"/ctx/data/d/" "/data/d/"',
    "a",
  ]);
});

test("rebaseSources() expands braces, one line for each path", () => {
  assert.equal(files("  /d/{a,b*} /x", "{/a,b}"), ['  "/ctx/d/a" "/x"', '  "/ctx/d/b*" "/x"', '"/ctx/a" "/a"', '"b"']);
});

test("rebaseSources() escapes special characters of apptainer's shell", () => {
  assert.equal(files('"/my data/x y.txt" "/in side/"', "/am\\&p /x", "/do\\$llar", "/back\\\\slash /x"), [
    '"/ctx/my data/x y.txt" "/in side/"',
    '"/ctx/am\\&p" "/x"',
    '"/ctx/do\\$llar" "/do$llar"',
    '"/ctx/back\\\\slash" "/x"',
  ]);
});

test("rebaseSources() keeps %files from another stage", () => {
  const text = `${HEADER}%files from build\n    /bin/x /bin/x\n`;
  assert.is(rebased(text), text);
});

test("rebaseSources() rebases %appfiles, and adds the source as destination", () => {
  const text = `${HEADER}%appfiles tool\n  /a/b.txt # c\n  /a/c bin/c\n  d e\n`;
  assert.is(rebased(text), `${HEADER}%appfiles tool\n  /ctx/a/b.txt /a/b.txt\n  /ctx/a/c bin/c\n  d e\n`);
});

test("rebaseSources() rebases the local base image of every stage", () => {
  const text = "Bootstrap: localimage\nFROM : /img/b.sif # c\nBootstrap: oci-archive\nFrom: /a.tar:tag\n";
  assert.is(
    rebased(text),
    "Bootstrap: localimage\nFrom: /ctx/img/b.sif\nBootstrap: oci-archive\nFrom: /ctx/a.tar:tag\n",
  );
  assert.is(rebased("Bootstrap: oci\nFrom: /l@sha256:0a\n"), "Bootstrap: oci\nFrom: /ctx/l@sha256:0a\n");
  const remote = "Bootstrap: docker\nFrom: /x\n%help\n From: /y\n";
  assert.is(rebased(remote), remote);
});

test("rebaseSources() joins continued lines of a header", () => {
  const text = "Bootstrap: localimage\nFrom: /img/\\\n  b.sif\nStage: x\n";
  assert.is(rebased(text), "Bootstrap: localimage\nFrom: /ctx/img/b.sif\n\nStage: x\n");
});

test("rebaseSources() substitutes arguments only in lines that it changes", () => {
  const text = `${HEADER}%arguments\n  dir=/data\n%files\n  {{ dir }}/a /x\n  {{ name }} /y\n%post\n  echo {{ dir }}\n`;
  assert.is(rebased(text, { name: "b" }), text.replace("{{ dir }}/a /x", '"/ctx/data/a" "/x"'));
});

test("rebaseSources() keeps a use of each build argument, because apptainer refuses an unused one", () => {
  const text = "Bootstrap: localimage\nFrom: {{ a }}/{{b}}\n";
  assert.is(rebased(text, { a: "/x", b: "y.sif" }), "Bootstrap: localimage\nFrom: /ctx/x/y.sif\n#!{{ a }} {{ b }}\n");
});

test("rebaseSources() keeps all lines of an argument's value with line breaks", () => {
  assert.is(rebased(`${HEADER}%files\n{{ all }}\n`, { all: "a /a\n/b" }), `${HEADER}%files\na /a\n"/ctx/b" "/b"\n`);
});

test("rebaseSources() keeps a path that a script may make, unless the caller has the file", () => {
  const text = `${HEADER}%setup\n    touch /file1\n%files\n    /file1\n    /file1 /opt\n    /etc/hosts /x\n`;
  const recipe = { backend: "singularity", text } as const;
  const line = (at: number, has: boolean) => rebaseSources(recipe, "/ctx", () => has).split("\n")[at];
  assert.equal([line(5, false), line(6, false)], ['    "/file1" "/file1"', '    "/file1" "/opt"']);
  assert.equal([line(5, true), line(7, false)], ['    "/ctx/file1" "/file1"', '    "/ctx/etc/hosts" "/x"']);
});

test("rebaseSources() keeps a Dockerfile unchanged", () => {
  const text = "FROM debian\nCOPY /a /x\n";
  assert.is(rebaseSources({ backend: "docker", text }, "/ctx"), text);
});

test("rebaseSources() refuses a root that needs quoting", () => {
  for (const root of ["", "/", "ctx", "/a b", "/a:b", "/a#", "/a/"]) {
    assert.throws(
      () => rebaseSources({ backend: "singularity", text: HEADER }, root),
      (error: unknown) => {
        return error instanceof CbError && error.kind === "bug";
      },
    );
  }
});

test.run();
