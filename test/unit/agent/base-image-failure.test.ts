import { suite } from "uvu";
import * as assert from "uvu/assert";
import { baseImageFailure, isBaseImageFailure, LastOutput } from "../../../agent/base-image-failure.ts";

const test = suite("base image failure");

const APPTAINER = "\u001b[31mFATAL:  \u001b[0m While performing build: conveyor failed to get: ";
const ACCESS = { registries: ["docker.io", "r"], logins: ["docker.io/site"] };
const BUILDAH = "Error: creating build container: initializing source docker://r/x:1: ";

test("baseImageFailure() returns the remedy for the last error of apptainer and of buildah", () => {
  for (const [message, remedy] of [
    ["reading manifest 1 in r/x: authentication required", "refuses"],
    ["Requesting bearer token: unauthorized: incorrect username or password", "refuses"],
    ["http: server gave HTTP response to HTTPS client", "no TLS"],
    ["tls: failed to verify certificate: x509: certificate signed by unknown authority", "does not trust"],
    ["reading manifest 1 in r/x: manifest unknown", "no such image"],
    ["could not parse reference: Not:Valid:x", "not valid"],
    ["dial tcp 10.0.2.2:1: connect: connection refused", "cannot reach"],
  ] as const) {
    for (const program of [APPTAINER, BUILDAH])
      assert.match(baseImageFailure(`INFO:    Starting build...\r\n${program}${message}\r\n`, ACCESS) ?? "", remedy);
  }
});

test("isBaseImageFailure() knows the final error of both programs, and not the same text of a script", () => {
  for (const program of [APPTAINER, BUILDAH]) assert.ok(isBaseImageFailure(`${program}unexpected EOF`));
  assert.not.ok(
    isBaseImageFailure("curl: dial tcp: i/o timeout\nFATAL:   While performing build: while running engine"),
  );
});

test("baseImageFailure() names the registry that refuses, and tells whether the build had a login for it", () => {
  const at = (registry: string) => `${BUILDAH}reading manifest 1 in ${registry}/x: unauthorized`;
  assert.match(baseImageFailure(at("docker.io"), ACCESS) ?? "", "docker.io refuses the base image to the login of");
  assert.match(
    baseImageFailure(at("r"), ACCESS) ?? "",
    /registry r refuses .* without a login; log in \(docker login r\)/,
  );
  assert.match(baseImageFailure(at("r"), { registries: [], logins: [] }) ?? "", "the registry refuses the base image");
});

test("baseImageFailure() ignores errors of the recipe's own programs", () => {
  for (const output of [
    "Error: dial tcp 1.2.3.4:80: connect: connection refused\nFATAL:   While performing build: while running engine: exit status 1\n",
    'permission denied\nError: building at STEP "RUN x": while running runtime: exit status 1\n',
    "",
  ])
    assert.is(baseImageFailure(output, ACCESS), undefined);
});

test("LastOutput keeps the last 4096 bytes of chunks of any size", () => {
  const last = new LastOutput();
  last.add(Buffer.alloc(10_000, "a"));
  last.add(Buffer.from("bc"));
  assert.is(last.text(), `${"a".repeat(4094)}bc`);
});

test.run();
