/** --reuse with the shipped programs: a rebuild with a small change sends the client a small part of the image. */
// slow: a stack of its own, and three builds.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CuttingProxy, startCuttingProxy } from "../../support/nats/cutting-proxy.ts";
import { clientAt } from "../../support/nats/proxied-client.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const DATA_BYTES = 12 * 1024 * 1024;

const test = suite<{ stack: Stack; proxy: CuttingProxy }>("reuse of an image");

test.before(async (context) => {
  context.stack = await Stack.start();
  const { port } = new URL((await stackUrl(context.stack)).trim());
  context.proxy = await startCuttingProxy(Number(port));
  writeFileSync(context.stack.path("data"), randomBytes(DATA_BYTES));
});
test.after(async ({ stack, proxy }) => {
  await proxy?.stop();
  await stack?.stop();
});

async function stackUrl(stack: Stack): Promise<string> {
  return /^url: (\S+)$/m.exec(readFileSync(stack.statePath("client", "config.yaml"), "utf8"))?.[1] ?? "";
}

/** The example with a large file and a label. */
function recipe(stack: Stack, label: string): string {
  const path = stack.path("large.def");
  const text = readFileSync(HELLO, "utf8").replace("\n%labels\n", `\n%labels\n    Change ${label}\n`);
  writeFileSync(path, `${text}\n%files\n    ${stack.path("data")} /data\n`);
  return path;
}

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const buildIdIn = (stderr: string): string => /^Build ID: ([0-9a-f-]{36})$/m.exec(stderr)?.[1] ?? "";

test("a rebuild with one changed line transfers a small part; the image is that which cb-attach fetches", async ({
  stack,
  proxy,
}) => {
  const env = clientAt(stack, proxy.port);
  const image = stack.path("x.sif");
  const build = async (label: string, ...options: string[]): Promise<Finished & { received: number }> => {
    const before = proxy.fromServerBytes();
    // With --reuse-build the queue keeps the image after the client has fetched it.
    const argv = [...options, "--reuse-build", "--metadata-file", stack.path("x.json"), image, recipe(stack, label)];
    const finished = await stack.run("container-builder", argv, { env });
    assert.is(finished.code, 0, finished.stderr);
    assert.match(readFileSync(stack.path("x.json"), "utf8"), sha256(image));
    return { ...finished, received: proxy.fromServerBytes() - before };
  };
  const first = await build("one", "--reuse", image);
  assert.match(first.stderr, /^note: --reuse has no effect: \S+x\.sif does not exist$/m);
  assert.ok(first.received > DATA_BYTES);
  const old = sha256(image);
  const second = await build("two", "--force", "--reuse", image);
  assert.is.not(sha256(image), old);
  assert.match(second.stderr, /: Completed, 13\.\d MiB, \S+ KiB fetched$/m, second.stderr);
  assert.ok(second.received < DATA_BYTES / 8, `${second.received} bytes`);

  const before = proxy.fromServerBytes();
  const argv = [buildIdIn(second.stderr), stack.path("other.sif")];
  const other = await stack.run("cb-attach", argv, { env });
  assert.is(other.code, 0, other.stderr);
  assert.is(sha256(stack.path("other.sif")), sha256(image));
  assert.ok(proxy.fromServerBytes() - before > statSync(image).size);
  const again = await stack.run("cb-attach", ["--reuse", image, argv[0] ?? "", stack.path("third.sif")], { env });
  assert.match(again.stderr, /: Completed, .*, 0 B fetched$/m, again.stderr);
  assert.is(sha256(stack.path("third.sif")), sha256(image));
});

test("an image without a list of chunks comes whole, with a note", async ({ stack }) => {
  const detached = await stack.run("container-builder", ["--detach", "plain.sif", HELLO]);
  const argv = ["--reuse", stack.path("x.sif"), detached.stdout.trim(), stack.path("plain.sif")];
  const { code, stderr } = await stack.run("cb-attach", argv);
  assert.is(code, 0, stderr);
  assert.match(stderr, "note: the whole image is fetched: the builder did not list the chunks of the new one");
});

test.run();
