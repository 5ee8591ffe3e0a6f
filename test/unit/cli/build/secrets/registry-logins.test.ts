import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findLogins, type LoginOptions } from "../../../../../lib/cli/build/secrets/registry-logins.ts";
import { CbError } from "../../../../../lib/core/errors.ts";
import { baseImagesOf } from "../../../../../lib/recipe/base-images.ts";
import { rejection } from "../../../../support/rejection.ts";

const test = suite<{ home: string; path: string | undefined }>("registry logins");

test.before.each((world) => {
  world.home = mkdtempSync(join(tmpdir(), "cb-logins-"));
  world.path = process.env.PATH;
  process.env.PATH = `${world.home}/bin:${world.path}`;
  mkdirSync(join(world.home, "bin"));
});
test.after.each(({ home, path }) => {
  process.env.PATH = path;
  rmSync(home, { recursive: true });
});

const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });

function write(home: string, path: string, content: object): string {
  mkdirSync(join(home, path, ".."), { recursive: true });
  writeFileSync(join(home, path), JSON.stringify(content));
  return join(home, path);
}

/** A helper that knows one server, and records the servers that it is asked for. */
function writeHelper(home: string, name: string, body: string): void {
  const path = join(home, "bin", `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\nread -r server || true\n${body}\n`);
  chmodSync(path, 0o755);
}

/** The logins for the images, as `REGISTRY USER:PASSWORD`. */
async function logins(
  home: string,
  images: string,
  options: Partial<LoginOptions> = {},
  env: Record<string, string> = {},
) {
  const text = images
    .split(" ")
    .map((image) => `FROM ${image}\n`)
    .join("");
  const found = await findLogins(
    baseImagesOf({ backend: "docker", text }),
    { isTyped: false, ...options },
    { HOME: home, ...env },
  );
  return found.map(({ login: { registry, username, password } }) => `${registry} ${username}:${password}`);
}

test("only logins for the registries of the recipe are found, under all their names", async ({ home }) => {
  write(home, ".docker/config.json", {
    auths: { "https://index.docker.io/v1/": auth("hub:1"), "a.io": auth("a:2"), "https://b.io": auth("b:3:4") },
  });
  assert.equal(await logins(home, "debian"), ["docker.io hub:1"]);
  assert.equal(await logins(home, "b.io/x a.io/y c.io/z"), ["b.io b:3:4", "a.io a:2"]);
  assert.equal(await logins(home, "scratch"), []);
});

test("the login of the longest path counts", async ({ home }) => {
  write(home, ".docker/config.json", { auths: { "a.io": auth("all:1"), "a.io/team": auth("team:2") } });
  assert.equal(await logins(home, "a.io/team/x a.io/teams/x"), ["a.io/team team:2", "a.io all:1"]);
});

test("files count in the order of podman, docker and apptainer; a named file counts alone", async ({ home }) => {
  const env = { XDG_RUNTIME_DIR: join(home, "run") };
  write(home, ".apptainer/docker-config.json", { auths: { "a.io": auth("apptainer:1"), "b.io": auth("b:1") } });
  assert.equal(await logins(home, "a.io/x", {}, env), ["a.io apptainer:1"]);
  write(home, ".docker/config.json", { auths: { "a.io": auth("docker:1") } });
  assert.equal(await logins(home, "a.io/x b.io/x", {}, env), ["a.io docker:1", "b.io b:1"]);
  write(home, "run/containers/auth.json", { auths: { "a.io": auth("podman:1") } });
  assert.equal(await logins(home, "a.io/x", {}, env), ["a.io podman:1"]);
  const named = write(home, "named.json", { auths: { "c.io": auth("c:1") } });
  assert.equal(await logins(home, "a.io/x c.io/x", {}, { ...env, REGISTRY_AUTH_FILE: named }), ["c.io c:1"]);
  assert.equal(await logins(home, "a.io/x c.io/x", { authfile: named }, env), ["c.io c:1"]);
  const config = { ...env, DOCKER_CONFIG: join(home, "other"), XDG_RUNTIME_DIR: "" };
  write(home, "other/config.json", { auths: { "a.io": auth("other:1") } });
  assert.equal(await logins(home, "a.io/x", {}, config), ["a.io other:1"]);
});

test("a helper is asked for the registry, and for Docker Hub by the name that docker uses", async ({ home }) => {
  const hub = "https://index.docker.io/v1/";
  writeHelper(home, "site", `echo '{"ServerURL":"","Username":"'"$server"'","Secret":"s"}'`);
  writeHelper(home, "none", "echo credentials not found in native keychain; exit 1");
  write(home, ".docker/config.json", {
    auths: { [hub]: {}, "a.io": {} },
    credsStore: "site",
    credHelpers: { "b.io": "none" },
  });
  assert.equal(await logins(home, "debian a.io/x b.io/x c.io/x"), [`docker.io ${hub}:s`, "a.io a.io:s"]);
});

test("a helper that is missing, fails or replies with something else is named with its registry", async ({ home }) => {
  writeHelper(home, "fails", "echo secret-text; exit 1");
  writeHelper(home, "other", "echo secret-text");
  for (const [helper, reason] of [
    ["missing", "it is not installed"],
    ["fails", "it failed"],
    ["other", "its reply is no login"],
    ["../x", "the name of the helper is not valid"],
  ]) {
    write(home, ".docker/config.json", { credHelpers: { "a.io": helper } });
    const error = (await rejection(logins(home, "a.io/x"))) as CbError;
    assert.is(error.kind, "config", helper);
    assert.match(error.message, `which has the login for a.io, gave none: ${reason}`);
    assert.not.match(error.message, "secret-text");
  }
});

test("a file that is no JSON is refused without being quoted, and a named file must exist", async ({ home }) => {
  const path = write(home, ".docker/config.json", {});
  writeFileSync(path, '{"auths": {"a.io": {"auth": planted');
  const error = (await rejection(logins(home, "a.io/x"))) as CbError;
  assert.match(error.message, `cannot read the logins in ${path}: it is not JSON`);
  assert.not.match(error.message, "planted");
  assert.ok((await rejection(logins(home, "a.io/x", { authfile: join(home, "none") }))) instanceof CbError);
});

test("a given login is for the one registry of the recipe; variables alone are ignored elsewhere", async ({ home }) => {
  const variables = { username: "u", password: "p" };
  const options = { ...variables, isTyped: true };
  assert.equal(await logins(home, "a.io/x a.io/y", options), ["a.io u:p"]);
  assert.equal(await logins(home, "a.io/x", variables), ["a.io u:p"]);
  assert.equal(await logins(home, "a.io/x b.io/x", variables), []);
  assert.equal(await logins(home, "scratch", variables), []);
  assert.equal(await logins(home, "a.io/x", { username: "u" }), []);
  for (const [images, given, message] of [
    ["a.io/x b.io/x", options, "names several registries: a.io, b.io"],
    ["scratch", options, "names no registry"],
    ["a.io/x", { username: "u", isTyped: true }, "the login for a.io has no --docker-password"],
    ["a.io/x", { password: "p", isTyped: true }, "the login for a.io has no --docker-username"],
  ] as const) {
    const error = (await rejection(logins(home, images, given))) as CbError;
    assert.is(error.kind, "usage");
    assert.match(error.message, message);
  }
});

test.run();
