import { suite } from "uvu";
import * as assert from "uvu/assert";
import { firstCallerFile } from "../../../lib/recipe/caller-files.ts";

const test = suite("caller files");

test("firstCallerFile() finds an entry of %files, and passes over comments and empty lines", () => {
  const recipe = "Bootstrap: docker\nFrom: debian\n\n%files\n\n  # none\n  data.txt /opt\n%post\n  true\n";
  assert.is(firstCallerFile(recipe), "%files data.txt /opt");
});

test("firstCallerFile() passes over %files from another stage", () => {
  assert.is(firstCallerFile("Bootstrap: docker\nFrom: debian\n%files from build\n  /a /b\n"), undefined);
});

test("firstCallerFile() finds the image that localimage names, and not the one of a registry", () => {
  assert.is(firstCallerFile("Bootstrap: localimage\nFrom: base.sif\n"), "From: base.sif");
  assert.is(firstCallerFile("Bootstrap: docker\nFrom: debian:12\n"), undefined);
});

test("firstCallerFile() reads the header in any order, and no script for one", () => {
  assert.is(firstCallerFile("From: base.sif\nBootstrap: localimage\n%post\n  true\n"), "From: base.sif");
  const script = "Bootstrap: docker\nFrom: debian\n%post\n  cat > x <<E\nBootstrap: localimage\nFrom: base.sif\nE\n";
  assert.is(firstCallerFile(script), undefined);
});

test("firstCallerFile() finds the files of an app", () => {
  assert.is(firstCallerFile("Bootstrap: docker\nFrom: debian\n%appfiles tool\n  a /b\n"), "%appfiles a /b");
});

test("firstCallerFile() takes commands of other sections for what they are", () => {
  assert.is(firstCallerFile("Bootstrap: scratch\n%post\n  cp data.txt /opt\n"), undefined);
});

test.run();
