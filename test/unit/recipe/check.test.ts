import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import { checkRecipe } from "../../../lib/recipe/check.ts";
import { definitionOfUri } from "../../../lib/recipe/definition/of-source.ts";

const test = suite("check recipe");

function mistake(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CbError && error.kind === "usage") return `${error.message}; ${error.hint}`;
    throw error;
  }
  return "";
}

const definition = (text: string) => mistake(() => checkRecipe({ backend: "singularity", text }));
const dockerfile = (text: string, options: NonNullable<Recipe["options"]> = {}) =>
  mistake(() => checkRecipe({ backend: "docker", text, options }));

test("an unknown bootstrap agent, header or section is refused with its line and the one that was meant", () => {
  assert.is(
    definition("\nBootstrap: dockr\nFrom: x\n"),
    "line 2: there is no bootstrap agent dockr; did you mean docker?",
  );
  assert.is(definition("Bootstrap: docker\nForm: x\n"), "line 2: there is no header Form:; did you mean from:?");
  assert.is(definition("Bootstrap: scratch\n%psot\n"), "line 2: there is no section %psot; did you mean %post?");
  assert.is(
    definition("Bootstrap: scratch\n%appinstal x\n"),
    "line 2: there is no section %appinstal; did you mean %appinstall?",
  );
  assert.match(definition("Bootstrap: nix\n"), "line 1: there is no bootstrap agent nix; known are library, oras");
  assert.match(definition("Bootstrap: scratch\n%wheel ALL\n"), "line 2: there is no section %wheel; correct it");
  assert.match(definition("Bootstrap: docker-daemon\nFrom: x\n"), "docker save -o FILE IMAGE");
  assert.match(definition("Bootstrap: scratch\n%apprun\n"), "%apprun names no app; write %apprun NAME");
});

test("the second stage of a definition file is checked too, with build arguments in its header", () => {
  const text = "Bootstrap: {{ A }}\nFrom: x\nStage: one\n\nBootstrap: localimag\nFrom: y\n%files from one\n/a\n";
  assert.match(
    mistake(() => checkRecipe({ backend: "singularity", text, buildArgs: { A: "docker" } })),
    /line 5: .*localimag; did you mean localimage/,
  );
  assert.match(
    mistake(() => checkRecipe({ backend: "singularity", text, buildArgs: { A: "dokcer" } })),
    /line 1: .*dokcer/,
  );
});

test("every section, header and agent of apptainer is accepted, in any letter case", () => {
  const sections = "help setup files labels environment pre post runscript test startscript arguments".split(" ");
  const apps = "install labels files env test help run start".split(" ").map((name) => `%app${name} foo`);
  const lines = [...sections, ...sections.map((name) => name.toUpperCase())].map((name) => `%${name}`);
  assert.is(
    definition(`Bootstrap: scratch\n${[...lines, ...apps, "%files from one", "%post -c /bin/bash"].join("\n")}\n`),
    "",
  );
  assert.is(
    definition(
      "# a comment: here\nbootstrap: yum\nOSVERSION: 7 # more: text\nInclude: a \\\n b: c\nOtherURL1: x\nPkgManager: dnf\n",
    ),
    "",
  );
});

test("an unknown instruction is refused with its line, and one in a here-document or a continued line is not", () => {
  assert.is(dockerfile("FROM x\n\nCOPPY a b\n"), "line 3: there is no instruction COPPY; did you mean COPY?");
  assert.match(
    dockerfile("FROM x\nRUN echo a\n  && echo b\n"),
    "line 3: there is no instruction &&; correct it; a line that continues",
  );
  assert.is(
    dockerfile(
      "# syntax=docker/dockerfile:1\nfrom x\nRUN <<EOF\nCOPPY\nEOF\nRUN a \\\n COPPY\nMAINTAINER me\nONBUILD RUN x\n",
    ),
    "",
  );
});

test("a target is a stage by name or number", () => {
  const text = "FROM a AS Base\nFROM b\nFROM base AS last\n";
  for (const target of ["base", "BASE", "0", "1", "2", "last"]) assert.is(dockerfile(text, { target }), "", target);
  assert.is(
    dockerfile(text, { target: "bsae" }),
    "--target bsae: the Dockerfile has no such stage; did you mean base?",
  );
  assert.is(
    dockerfile(text, { target: "3" }),
    "--target 3: the Dockerfile has no such stage; its stages are base, 1, last",
  );
});

test("definitionOfUri() writes the definition file of a source, and leaves a path alone", () => {
  assert.is(definitionOfUri("docker://debian:12"), "Bootstrap: docker\nFrom: debian:12\n");
  assert.is(definitionOfUri("docker:debian"), "Bootstrap: docker\nFrom: debian\n");
  assert.is(definitionOfUri("oci-archive:a.tar:tag"), "Bootstrap: oci-archive\nFrom: a.tar:tag\n");
  assert.is(definitionOfUri("docker-archive:///a/b.tar"), "Bootstrap: docker-archive\nFrom: /a/b.tar\n");
  for (const path of ["x.def", "/docker://x", "a:b", "C:x", "./docker:x"])
    assert.is(definitionOfUri(path), undefined, path);
});

test("a source that a builder cannot reach, or that no header can express, is refused with a remedy", () => {
  assert.match(
    mistake(() => definitionOfUri("docker-daemon:x:1")),
    "docker save -o FILE IMAGE",
  );
  assert.match(
    mistake(() => definitionOfUri("https://x/y.sif")),
    "curl -LO URL",
  );
  assert.match(
    mistake(() => definitionOfUri("dokcer://x")),
    "there is no source dokcer://; did you mean docker://?",
  );
  assert.match(
    mistake(() => definitionOfUri("docker://")),
    "names no image; write docker://NAME",
  );
  for (const from of ["a#b", "{{ x }}", "a\\", "a\nFrom: b", " a"]) {
    assert.match(
      mistake(() => definitionOfUri(`docker-archive:${from}`)),
      "make a link to it",
      from,
    );
  }
});

test.run();
