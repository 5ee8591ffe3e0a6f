import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BuildInputs, buildDigest } from "../../../../../lib/cli/build/same/build-digest.ts";

const test = suite("build digest");

const inputs: BuildInputs = {
  recipe: {
    backend: "docker",
    text: "FROM debian:12\nARG A B\n",
    buildArgs: { A: "1", B: "2" },
    options: { target: "x", labels: { a: "1", b: "2" } },
  },
  context: "c0ffee",
  bases: { "debian:12": "sha256:1", "alpine:3": "sha256:2" },
  arch: "x86_64",
  pool: "q",
};
const { recipe } = inputs;

test("each input changes the digest", () => {
  const others: BuildInputs[] = [
    { ...inputs, recipe: { ...recipe, text: `${recipe.text}#` } },
    { ...inputs, recipe: { ...recipe, backend: "singularity" } },
    { ...inputs, recipe: { ...recipe, buildArgs: { A: "1", B: "3" } } },
    { ...inputs, recipe: { ...recipe, buildArgs: { A: "2", B: "1" } } },
    { ...inputs, recipe: { ...recipe, buildArgs: { A: "1" } } },
    { ...inputs, recipe: { ...recipe, options: { target: "y", labels: { a: "1", b: "2" } } } },
    { ...inputs, recipe: { ...recipe, options: { ...recipe.options, compression: "fast" } } },
    { ...inputs, recipe: { ...recipe, ignoreFile: "/x.dockerignore" } },
    { ...inputs, context: "c0ffef" },
    { ...inputs, context: undefined },
    { ...inputs, bases: { ...inputs.bases, "debian:12": "sha256:3" } },
    { ...inputs, bases: { "debian:12": "sha256:1" } },
    { ...inputs, arch: "aarch64" },
    { ...inputs, arch: undefined },
    { ...inputs, pool: "other" },
  ];
  const digests = [inputs, ...others].map(buildDigest);
  assert.is(new Set(digests).size, digests.length);
  for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/);
});

test("the order of build arguments, labels, options and base images does not count", () => {
  const turned: BuildInputs = {
    pool: "q",
    arch: "x86_64",
    bases: { "alpine:3": "sha256:2", "debian:12": "sha256:1" },
    context: "c0ffee",
    recipe: {
      options: { labels: { b: "2", a: "1" }, target: "x" },
      buildArgs: { B: "2", A: "1" },
      text: recipe.text,
      backend: "docker",
    },
  };
  assert.is(buildDigest(turned), buildDigest(inputs));
});

test("the order of binds counts, because a later one covers an earlier one", () => {
  const [a, b] = [
    { source: "/a", destination: "/x" },
    { source: "/b", destination: "/x/y" },
  ];
  const withBinds = (binds: (typeof a)[]) => buildDigest({ ...inputs, recipe: { ...recipe, options: { binds } } });
  assert.is.not(withBinds([a, b] as never), withBinds([b, a] as never));
});

test.run();
