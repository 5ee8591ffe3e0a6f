/** cb-logs, and the options of cb-builds, cb-status and cb-cancel for programs and for people who watch. */
// slow: it reads the output of builds while they run, and after their images are gone
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ProgressEvent } from "../../../lib/cli/report/progress-event.ts";
import type { BuildsReply } from "../../../lib/protocol/builds-messages.ts";
import { endless, HELLO } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("logs");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

const buildsOf = async (stack: Stack, ...args: string[]): Promise<BuildsReply["builds"]> =>
  (JSON.parse((await stack.run("cb-builds", ["--json", ...args])).stdout) as BuildsReply).builds;

test("cb-logs prints the output of an ended build byte by byte after its image is gone; --json has output and states", async ({
  stack,
}) => {
  const built = await stack.run("container-builder", ["hello.sif", HELLO]);
  assert.is(built.code, 0, built.stderr);
  const [entry] = await buildsOf(stack);
  const id = entry?.build ?? "";
  assert.is(entry?.imageUntilMs, undefined, "the image is gone");
  const logs = await stack.run("cb-logs", [id.slice(0, 8)]);
  assert.equal([logs.code, logs.stderr], [0, ""]);
  assert.ok(logs.bytes.equals(built.bytes));
  const followed = await stack.run("cb-logs", ["-f", id]);
  assert.ok(followed.bytes.equals(built.bytes), "it ends with the build");
  const events = (await stack.run("cb-logs", ["--json", id])).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ProgressEvent);
  const output = events.flatMap((event) => (event.event === "output" ? [Buffer.from(event.data, "base64")] : []));
  assert.ok(Buffer.concat(output).equals(built.bytes));
  assert.match(JSON.stringify(events.at(-1)), /"event":"state","state":"succeeded"/);
});

test("cb-logs ends at the last line of a running build; -f goes on until Ctrl-C; --watch and --state show it as running", async ({
  stack,
}) => {
  const running = stack.start("container-builder", ["--progress", "json", "end.sif", endless(stack, "end")]);
  await running.seen(/"state":"building"/);
  const [entry] = await buildsOf(stack, "--state", "running");
  assert.equal([entry?.state, entry?.name], ["leased", "end.sif"]);
  const id = entry?.build ?? "";
  const followed = stack.start("cb-logs", ["--follow", id]);
  await followed.seen(/it has begun/);
  const logs = await stack.run("cb-logs", [id]);
  assert.equal([logs.code, /it has begun/.test(logs.stdout)], [0, true], logs.stderr);
  followed.kill("SIGINT");
  assert.is((await followed.finished).code, 130);
  const watched = stack.startOnTerminal("cb-builds", ["--watch", "-n", "1"]);
  await watched.seen(/\[\?1049h[\s\S]*end\.sif[\s\S]*Ctrl-C ends this/);
  watched.kill("SIGTERM");
  await watched.finished;
  const pools = stack.start("cb-status", ["--watch", "--json"]);
  await pools.seen(/"running":1[\s\S]*\n/);
  pools.kill("SIGINT");
  const { code, stdout } = await pools.finished;
  assert.is(code, 0);
  const line = JSON.parse(stdout.split("\n")[0] ?? "") as { builds: BuildsReply };
  assert.is(line.builds.builds[0]?.build, id);
  const cancelled = await stack.run("cb-cancel", ["--json", id]);
  assert.equal(JSON.parse(cancelled.stdout), { v: 1, build: id, state: "cancelled" });
  assert.is((await running.finished).code, 130);
  assert.equal(
    (await buildsOf(stack, "--state", "cancelled", "lost", "-n", "5")).map(({ build }) => build),
    [id],
  );
});

test("a wrong state or count, and --watch without a terminal, end with 64 and the remedy", async ({ stack }) => {
  const cases: [string, string[], RegExp][] = [
    ["cb-builds", ["--state", "leased"], /waiting, running, succeeded/],
    ["cb-builds", ["-n", "0"], /whole number from 1 on/],
    ["cb-builds", ["--watch"], /--watch needs a terminal\n {2}add --json/],
    ["cb-status", ["--watch"], /--watch needs a terminal/],
    ["cb-logs", ["ffff"], /cb-builds lists no build with an id that begins with ffff/],
  ];
  for (const [program, args, message] of cases) {
    const { code, stdout, stderr } = await stack.run(program, args);
    assert.is(code, 64, stderr);
    assert.equal([stdout, message.test(stderr)], ["", true], stderr);
  }
});

test.run();
