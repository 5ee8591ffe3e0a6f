/** Sources that builders pull with apptainer's own clients, from real registries and from a server that only notes requests. */
// slow: seven builds in sandboxes
// timeout: 600 s
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { push, pushSif, pushVariants } from "../../support/oci/docker-registry.ts";
import { LOGIN } from "../../support/oci/registries.ts";
import { RecipeStack } from "../../support/recipe/recipe-stack.ts";
import { HELLO } from "../../support/recipe/recipes.ts";

interface World {
  world: RecipeStack;
  /** Replies to every request that it has no such image. */
  library: { readonly host: string; readonly requests: string[]; readonly server: Server };
}

const test = suite<World>("sources of other clients");

test.before(async (context) => {
  const requests: string[] = [];
  const server = createServer(({ method, url }, response) => {
    requests.push(`${method} ${url}`);
    response
      .writeHead(404, { "content-type": "application/json" })
      .end('{"error":{"code":404,"message":"no such image"}}');
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const host = `${HOST_LOOPBACK}:${(server.address() as AddressInfo).port}`;
  context.library = { host, requests, server };
  context.world = await RecipeStack.start({ served: [host] });
});
test.after(async ({ world, library }) => {
  await world?.stop();
  library.server.closeAllConnections();
  await new Promise((closed) => library.server.close(closed));
});

/** A build of a source, as `container-builder x.sif SOURCE`. */
const buildOf = ({ stack }: RecipeStack, source: string, flags: readonly string[] = []) =>
  stack.run("container-builder", ["-F", ...flags, stack.path("x.sif"), source]);

test("a SIF in a registry is a source, and one behind a login needs the login", async ({ world }) => {
  const { stack, hosts } = world;
  const made = await stack.run("container-builder", [stack.path("hello.sif"), HELLO]);
  assert.is(made.code, 0, made.stderr);
  await pushSif(world.hostOf("open"), "site/hello", "1", readFileSync(stack.path("hello.sif")));
  const open = await buildOf(world, `oras://${hosts.open}/site/hello:1`);
  assert.is(open.code, 0, open.stdout + open.stderr);
  assert.match(await world.inspect("x", "apptainer run --unsquash $I"), "Hello from a container!");
  const source = `oras://${hosts.basic}/site/hello:1`;
  const refused = await buildOf(world, source);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, `the registry ${hosts.basic} refuses the base image without a login; log in`);
  const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
  writeFileSync(stack.path("auth.json"), JSON.stringify({ auths: { [hosts.basic]: { auth } } }));
  const login = await buildOf(world, source, ["--authfile", stack.path("auth.json")]);
  assert.is(login.code, 0, login.stdout + login.stderr);
  const none = await buildOf(world, `oras://${hosts.open}/site/hello:2`);
  assert.match(none.stderr, "the registry has no such image; correct its name or tag");
});

// For a definition file apptainer 1.4.5 took the first amd64 image of the index, whatever the variant.
test("--arch-variant selects the image of that variant for a Dockerfile", async ({ world }) => {
  const { stack, hosts } = world;
  const base = await busyboxLayer();
  const images = ["v2", "v3"].map((variant) => ({ variant, layers: [base, layerWith(stack.path(variant), variant)] }));
  for (const { variant, layers } of images)
    await push(world.hostOf("open"), { repository: "site/variants", tags: [variant], layers });
  await pushVariants(world.hostOf("open"), "site/variants", "all", images);
  for (const { variant } of images) {
    await world.built(`of-${variant}`, `FROM ${hosts.open}/site/variants:all\n`, ["--arch-variant", variant]);
    assert.is(await world.inspect(`of-${variant}`, "apptainer exec --unsquash $I cat /variant"), variant);
  }
});

/** A tar archive with the file `variant`. */
function layerWith(folder: string, text: string): Buffer {
  mkdirSync(folder);
  writeFileSync(`${folder}/variant`, text);
  return execFileSync("tar", ["--owner=0", "--group=0", "-C", folder, "-c", "variant"]);
}

test("--library names the server of a library:// source, and its refusal is shown", async ({ world, library }) => {
  const { code, stdout, stderr } = await buildOf(world, "library://ada/tools/hello:1", [
    "--library",
    `http://${library.host}`,
  ]);
  assert.is(code, 1, stderr);
  assert.ok(
    library.requests.some((request) => request.includes("ada/tools/hello")),
    library.requests.join(),
  );
  assert.match(stdout + stderr, /image does not exist in the library/);
});

test("a shub:// source reaches the program that fetches it, and the failure is shown", async ({ world, library }) => {
  const source = `shub://${library.host}/ada/hello:1`;
  const { code, stderr } = await buildOf(world, source);
  assert.is(code, 1, stderr);
  assert.match(stderr, `failed to get manifest for: ${source}: no response received from singularity hub`);
});

test.run();
