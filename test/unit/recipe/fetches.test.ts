import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import { baseReferencesOf } from "../../../lib/recipe/base-references.ts";
import { fetchesOf } from "../../../lib/recipe/fetches.ts";

const test = suite("fetches");

const docker = (text: string): Recipe => ({ backend: "docker", text });
const definition = (text: string): Recipe => ({ backend: "singularity", text });
const DIGEST = `sha256:${"0".repeat(64)}`;

test("ADD of a URL or of a repository fetches, RUN and ADD of a file do not", () => {
  assert.is(fetchesOf(docker("FROM a\nADD https://x.org/a.tar /\n")), "line 2: ADD fetches a URL");
  assert.is(fetchesOf(docker("FROM a\nADD git@x.org:a.git /\n")), "line 2: ADD fetches a URL");
  assert.is(fetchesOf(docker("FROM a\nRUN curl https://x.org\nADD a.tar /\nCOPY https://a /b\n")), undefined);
});

test("scripts of a definition file count, comments, %test and other sections do not", () => {
  const header = "Bootstrap: docker\nFrom: a\n";
  for (const name of ["pre", "setup", "post", "appinstall x"])
    assert.match(fetchesOf(definition(`${header}%${name}\n  true\n`)) ?? "", `%${name.split(" ")[0]} may fetch`);
  assert.is(
    fetchesOf(definition(`${header}%post\n  # nothing\n\n%test\n  true\n%files\n  a /\n%labels\n  A 1\n`)),
    undefined,
  );
  assert.match(fetchesOf(definition(`${header}\nBootstrap: docker\nFrom: b\n%post\n  true\n`)) ?? "", "%post");
});

test("a bootstrap that fetches packages counts, a file of the caller does not", () => {
  assert.match(fetchesOf(definition("Bootstrap: debootstrap\nOSVersion: sid\n")) ?? "", "Bootstrap: debootstrap");
  assert.match(fetchesOf(definition("Bootstrap: library\nFrom: a/b\n")) ?? "", "Bootstrap: library");
  for (const base of ["localimage", "oci-archive", "scratch"])
    assert.is(fetchesOf(definition(`Bootstrap: ${base}\nFrom: x\n`)), undefined);
});

test("baseReferencesOf() has registry, repository, tag and digest of each image", () => {
  const { references, unknown } = baseReferencesOf(
    docker(
      `FROM debian AS one\nFROM r.org:5000/a/b:1.2\nCOPY --from=one / /\nCOPY --from=x/y@${DIGEST} / /\nFROM scratch\n`,
    ),
  );
  assert.is(unknown, undefined);
  assert.equal(
    references.map(({ registry, repository, version, isPinned }) => [registry, repository, version, isPinned]),
    [
      ["docker.io", "library/debian", "latest", false],
      ["r.org:5000", "a/b", "1.2", false],
      ["docker.io", "x/y", DIGEST, true],
    ],
  );
});

test("baseReferencesOf() says that an image is unknown", () => {
  assert.match(baseReferencesOf(docker("FROM debian\nCOPY --from=$HOME/x / /\n")).unknown ?? "", "a variable");
  assert.match(baseReferencesOf(docker("FROM debian@sha256:1\n")).unknown ?? "", "debian@sha256:1");
  assert.is(baseReferencesOf(definition("Bootstrap: docker\nFrom: debian:12\n")).unknown, undefined);
});

test.run();
