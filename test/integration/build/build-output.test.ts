/** The end of a build: summary, metadata, --progress, --quiet, --detach, the image on standard output, and Ctrl-C while it arrives. */
// slow: seven builds, one of them with an image of 300 MiB
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildMetadata } from "../../../lib/cli/report/build-metadata.ts";
import type { ProgressEvent } from "../../../lib/cli/report/progress-event.ts";
import { HELLO, recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("build output");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const events = (stderr: string): ProgressEvent[] =>
  stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ProgressEvent);

test("a success ends with a summary, and --metadata-file has the same", async ({ stack }) => {
  const image = stack.path("hello.sif");
  const args = ["--progress", "plain", "--metadata-file", "hello.json", "--output", stack.folder, "hello.sif", HELLO];
  const { code, stderr } = await stack.run("container-builder", args);
  assert.is(code, 0, stderr);
  const metadata = JSON.parse(readFileSync(stack.path("hello.json"), "utf8")) as BuildMetadata;
  const bytes = statSync(image).size;
  const digest = sha256(readFileSync(image));
  assert.equal([metadata.outcome, metadata.exitCode], ["succeeded", 0]);
  assert.equal(metadata.image, { path: image, bytes, sha256: digest });
  const end = new RegExp(
    `\nImage: +${image}\nSize: +[\\d.]+ [KM]iB \\(${bytes} bytes\\)\nSHA-256: +${digest}\nTimes: +waited \\d+s, built \\d+s, transferred \\d+s\nBuild ID: ${metadata.build}\n$`,
  );
  assert.match(stderr, end);
});

test("a failure names section, exit status and last lines; the metadata has them; --quiet shows nothing else", async ({
  stack,
}) => {
  const path = recipe(stack, "fails", "    echo to find >&2\n    exit 7");
  const args = ["--quiet", "--metadata-file", "failed.json", "failed.sif", path];
  const { code, stdout, stderr } = await stack.run("container-builder", args);
  assert.equal([code, stdout], [1, ""]);
  const metadata = JSON.parse(readFileSync(stack.path("failed.json"), "utf8")) as BuildMetadata;
  assert.equal([metadata.outcome, metadata.exitCode, metadata.image], ["failed", 1, undefined]);
  assert.equal(metadata.error?.cause?.place, "%post");
  assert.equal(metadata.error?.cause?.exitStatus, 7);
  assert.match(
    stderr,
    /^container-builder: the build failed: %post ended with exit status 7\n( {4}.*\n)* {4}to find\n( {4}.*\n)* {2}the whole output: cb-logs [0-9a-f-]{36}\n$/,
  );
});

test("--progress json prints one event a line, with the output of the build, and the image goes to standard output", async ({
  stack,
}) => {
  const { code, bytes, stderr } = await stack.run("container-builder", ["--progress", "json", "-", HELLO]);
  assert.is(code, 0, stderr);
  const all = events(stderr);
  const of = <Name extends ProgressEvent["event"]>(name: Name) =>
    all.filter((one): one is Extract<ProgressEvent, { event: Name }> => one.event === name);
  const output = Buffer.concat(of("output").map(({ data }) => Buffer.from(data, "base64"))).toString();
  assert.match(output, /building as root, uid 0, on container-builder/);
  assert.equal(
    of("state")
      .map(({ state }) => state)
      .filter((state) => state !== "queued"),
    ["leased", "building", "uploading", "succeeded"],
  );
  const ended = of("ended")[0];
  assert.is(all.at(-1), ended);
  assert.equal(ended?.image, { path: "-", bytes: bytes.length, sha256: sha256(bytes) });
});

test("a wrong recipe ends --progress json with an event that has the error", async ({ stack }) => {
  const { code, stdout, stderr } = await stack.run("container-builder", ["--progress", "json", "x.sif", "none.def"]);
  assert.equal([code, stdout], [64, ""]);
  const [ended] = events(stderr);
  assert.ok(ended?.event === "ended" && ended.outcome === "refused" && ended.error?.kind === "usage");
});

test("--detach prints the id alone, and cb-attach fetches the image; --quiet prints the path alone", async ({
  stack,
}) => {
  const { code, stdout, stderr } = await stack.run("container-builder", ["--detach", "later.sif", HELLO]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^[0-9a-f-]{36}\n$/);
  const attached = await stack.run("cb-attach", ["--quiet", stdout.trim()]);
  assert.is(attached.code, 0, attached.stderr);
  assert.equal([attached.stdout, attached.stderr], [`${stack.path("later.sif")}\n`, ""]);
});

test("Ctrl-C while the image arrives keeps the image on the queue, and says how to fetch it", async ({ stack }) => {
  const post = "    dd if=/dev/urandom of=/large bs=1M count=300 2>/dev/null";
  const path = uncompressed(recipe(stack, "large", post));
  mkdirSync(stack.path("kept"));
  const running = stack.start("container-builder", ["--progress", "json", stack.path("kept", "large.sif"), path]);
  await running.seen(/"state":"uploading"/);
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  const ended = events(stderr).at(-1);
  assert.ok(ended?.event === "ended" && ended.outcome === "detached", stderr.slice(-500));
  assert.is(ended.error?.hint, `fetch large.sif with: cb-attach ${ended.build}`);
  assert.equal(readdirSync(stack.path("kept")), []);
  const fetch = ["--progress", "json", ended.build ?? "", stack.path("kept", "large.sif")];
  const attached = await stack.run("cb-attach", fetch);
  assert.equal([attached.code, attached.stdout], [0, ""], attached.stderr);
  const fetched = events(attached.stderr).at(-1);
  const { size } = statSync(stack.path("kept", "large.sif"));
  assert.ok(size > 300 * 1024 * 1024);
  assert.ok(fetched?.event === "ended" && fetched.outcome === "succeeded" && fetched.image?.bytes === size);
});

test("--quiet and --progress exclude each other, and no image is written to a terminal", async ({ stack }) => {
  const both = await stack.run("container-builder", ["--quiet", "--progress", "json", "x.sif", HELLO]);
  assert.is(both.code, 64);
  assert.match(both.stderr, "cannot be used with option '--progress");
  const terminal = await stack.runOnTerminal("container-builder", ["-", HELLO]);
  assert.is(terminal.code, 64, terminal.stdout);
  assert.match(terminal.stdout, /an image is not written to a terminal/);
});

test.run();
