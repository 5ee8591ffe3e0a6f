import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withSecretsFolder } from "../../../lib/recipe/definition/secrets-folder.ts";
import { stagesOf } from "../../../lib/recipe/definition/sections.ts";

const test = suite("secrets folder");

const setupsOf = (text: string): number[] =>
  stagesOf(text).map((stage) => stage.filter(({ name }) => name === "setup").length);

test("each stage gets a %setup that makes the folder, beside its own", () => {
  const text = `# a comment
Bootstrap: docker
From: a.io/x
Stage: one

%setup
  true
bootstrap: docker
From: a.io/y`;
  const changed = withSecretsFolder(text);
  assert.equal(setupsOf(changed), [0, 2, 1]);
  assert.is(changed.match(/mkdir -p "\$APPTAINER_ROOTFS\/run\/secrets"/g)?.length, 2);
});

test("the sections and the header before it stay as they are, also after a backslash at the end", () => {
  for (const text of ["Bootstrap: docker\nFrom: a\\", "Bootstrap: docker\nFrom: a\n%post\n  echo \\"]) {
    const changed = stagesOf(withSecretsFolder(text))[1] ?? [];
    const before = stagesOf(text)[1] ?? [];
    assert.equal(
      changed.map(({ name }) => name),
      [...before.map(({ name }) => name), "setup"],
    );
    for (const [at, { lines }] of before.entries())
      assert.equal(
        changed[at]?.lines.slice(0, lines.length).map((line) => line.text),
        lines.map((line) => line.text),
      );
  }
});

test.run();
