import { suite } from "uvu";
import * as assert from "uvu/assert";
import { baseImagesOf, registriesOf } from "../../../lib/recipe/base-images.ts";

const test = suite("base images");

const dockerfile = (text: string, buildArgs: Record<string, string> = {}): string[] =>
  baseImagesOf({ backend: "docker", text, buildArgs }).map(({ name }) => name);
const definition = (text: string, buildArgs: Record<string, string> = {}): string[] =>
  baseImagesOf({ backend: "singularity", text, buildArgs }).map(({ name }) => name);

test("a name has the registry and the path, without tag and digest", () => {
  for (const [from, name] of [
    ["debian", "docker.io/library/debian"],
    ["debian:12", "docker.io/library/debian"],
    ["site/tools@sha256:00", "docker.io/site/tools"],
    ["index.docker.io/site/tools", "docker.io/site/tools"],
    ["ghcr.io/a/b/c:1@sha256:00", "ghcr.io/a/b/c"],
    ["localhost/x", "localhost/x"],
    ["registry:5000/x:2", "registry:5000/x"],
    ["10.0.0.1:5000/x", "10.0.0.1:5000/x"],
  ] as const)
    assert.equal(dockerfile(`FROM ${from}\n`), [name], from);
});

test("a Dockerfile names images in FROM, COPY --from and RUN --mount, with its arguments; stages are none", () => {
  const text = `ARG BASE=a.io/base
ARG TAG
FROM --platform=linux/amd64 \${BASE}:\${TAG:-1} AS build
FROM scratch
FROM build AS second
COPY --from=build /x /x
COPY --from=0 /x /x
COPY --from=b.io/files:1 /x /x
RUN --mount=type=bind,from=c.io/more,target=/m true
RUN --mount=type=bind,from=second,target=/m true
FROM $UNKNOWN
`;
  assert.equal(dockerfile(text), ["a.io/base", "b.io/files", "c.io/more"]);
  assert.equal(dockerfile(text, { BASE: "d.io/base" }), ["d.io/base", "b.io/files", "c.io/more"]);
});

test("a definition file names the images of its docker and oras stages, with its arguments", () => {
  assert.equal(definition("Bootstrap: docker\nFrom: {{ B }}/x:1\n", { B: "a.io" }), ["a.io/x"]);
  assert.equal(definition("Bootstrap: oras\nFrom: //a.io/x:1\n"), ["a.io/x"]);
  assert.equal(definition("Bootstrap: docker\nRegistry: a.io\nNamespace: n\nFrom: x\n"), ["a.io/n/x"]);
  const two = "Bootstrap: docker\nFrom: a.io/x\n%post\n  true\nBootstrap: docker\nFrom: b.io/y\n";
  assert.equal(definition(two), ["a.io/x", "b.io/y"]);
  for (const other of ["localimage", "docker-archive", "library", "scratch"])
    assert.equal(definition(`Bootstrap: ${other}\nFrom: a.io/x\n`), [], other);
});

test("registriesOf() lists each host once, and none of a recipe that cannot be read", () => {
  const text = "FROM a.io/x AS x\nFROM a.io/y\nFROM debian\n";
  assert.equal(registriesOf({ backend: "docker", text }), ["a.io", "docker.io"]);
  assert.equal(registriesOf({ backend: "singularity", text: "Bootstrap: docker\nFrom: {{ none }}\n" }), []);
});

test.run();
