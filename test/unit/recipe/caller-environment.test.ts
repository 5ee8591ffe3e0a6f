import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withCallerEnvironment } from "../../../lib/recipe/caller-environment.ts";

const test = suite("caller environment");

const HEADER = "Bootstrap: docker\nFrom: debian:12\n";
const ENVIRONMENT = { HOME: "/home/u", DATA: "my data", ODD: "a&b", QUOTED: 'a"b' };
const text = (recipe: string): string =>
  withCallerEnvironment({ backend: "singularity", text: recipe }, ENVIRONMENT).text;
const file = (line: string): string => text(`${HEADER}%files\n${line}\n`).slice(`${HEADER}%files\n`.length, -1);

test("withCallerEnvironment() expands ~ and variables in the sources of %files", () => {
  assert.is(file("  ~/x /x # c"), '  "/home/u/x" "/x"');
  assert.is(file("~"), '"/home/u"');
  assert.is(file("a$HOME"), '"a/home/u"');
  assert.is(file(`\${DATA}/x.* /x`), '"my data/x.*" "/x"');
  assert.is(file("$ODD /x"), '"a\\&b" "/x"');
});

test("withCallerEnvironment() keeps an escaped $, an unset variable, and a $ or ~ that starts none", () => {
  for (const line of ["a\\$HOME /x", "a~/x /$HOME", "~other/x", "$NONE/x", "a$ /x", "$QUOTED /x", "# ~/x"]) {
    assert.is(file(line), line);
  }
});

test("withCallerEnvironment() keeps all other text and Dockerfiles", () => {
  const recipe = `${HEADER}%appfiles a\n  ~/x\n%files from build\n  $HOME/x\n%post\n  cp ~/x $HOME/y\r\n`;
  assert.is(text(recipe), recipe);
  const docker = { backend: "docker", text: "FROM debian\nCOPY $HOME /x\n" } as const;
  assert.is(withCallerEnvironment(docker, ENVIRONMENT), docker);
});

test.run();
