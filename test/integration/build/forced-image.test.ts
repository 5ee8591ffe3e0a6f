/**
 * --force when the build does not succeed after its image was transferred: the old image stays, byte for byte. Each test holds
 * the end of the build, in the queue or in the agent, and acts between the transfer and the final state.
 */
// slow: three builds of up to two attempts, with restarts of the queue.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { BUILD_STEPS } from "../../support/queue/kill-points.ts";
import { KillTestStack } from "../../support/queue/kill-test-stack.ts";
import { leftOver } from "../../support/queue/left-over.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { PROJECT, type Running, type Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ killed: KillTestStack }>("forced image");

test.before(async (context) => {
  context.killed = await KillTestStack.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

const OLD = "the old image";
const OLD_MODE = 0o750;

/** Starts a build that is to replace an old image, alone in the folder `name`. */
function replacing(
  stack: Stack,
  name: string,
  options: readonly string[] = [],
): { running: Running; isUnchanged: () => void } {
  const folder = stack.path(name);
  mkdirSync(folder);
  const path = join(folder, "x.sif");
  writeFileSync(path, OLD, { mode: OLD_MODE });
  const { ino, mtimeMs } = statSync(path);
  const isUnchanged = () => {
    assert.equal(readdirSync(folder), ["x.sif"]);
    assert.is(readFileSync(path, "utf8"), OLD);
    const now = statSync(path);
    assert.equal([now.ino, now.mtimeMs, now.mode & 0o777], [ino, mtimeMs, OLD_MODE]);
  };
  return { running: stack.start("container-builder", [...options, "--force", path, HELLO]), isUnchanged };
}

const recordEnd = { subject: /./, ...BUILD_STEPS["the end is recorded"], when: "hold" } as const;

/** Resolves when the records of all builds are complete. A build with a lost builder was leased twice. */
async function settled({ stack, core }: KillTestStack): Promise<void> {
  const isExpected = (fault: string) => fault.includes("was leased 2 times");
  await until("all records are complete", async () => (await leftOver(stack, core)).every(isExpected));
}

/** Resolves with the client's output when it has that many whole images, of as many attempts. */
const transferred = (running: Running, images = 1): Promise<string> =>
  running.seen(new RegExp(`(Transferring x.sif: Completed[^]*){${images}}`));

/** The first eight characters of the id of the last attempt's builder. */
const lastBuilder = (output: string): string =>
  [...output.matchAll(/Connected to remote builder: cb-(\w+)/g)].at(-1)?.[1] ?? "none";

/** Kills the builder of the last attempt, and the held queue; another queue follows. */
async function loseBuilder({ stack, queue }: KillTestStack, output: string, part: "agent" | "sandbox"): Promise<void> {
  const host = lastBuilder(output);
  const sandboxes = stack.statePath("sandboxes");
  const folder = readdirSync(sandboxes).find((name) => name.startsWith(host)) ?? "none";
  const supervisor = await readSupervisor(join(sandboxes, folder));
  if (supervisor === undefined) throw new Error(`no sandbox of ${host}`);
  const isAgent = (pid: number) => /^node\0.*agent/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  const pid = part === "sandbox" ? supervisor.pid : (await processesOf(supervisor)).find(isAgent);
  if (pid === undefined) throw new Error(`no ${part} of ${host}`);
  process.kill(pid, "SIGKILL");
  await queue.kill();
}

test("the old image stays when agent and sandbox are lost with their images transferred: exit code 75", async ({
  killed,
}) => {
  const { queue, stack } = killed;
  queue.killAt(recordEnd);
  const { running, isUnchanged } = replacing(stack, "lost");
  await loseBuilder(killed, await transferred(running), "agent");
  await killed.start();
  queue.killAt(recordEnd);
  await loseBuilder(killed, await transferred(running, 2), "sandbox");
  await killed.start();
  const { code, stderr } = await running.finished;
  assert.is(code, 75, stderr);
  assert.match(stderr, /the build was lost: builder cb-\w+ was lost: its machine is in error.*; then builder cb-\w+ /);
  isUnchanged();
  // The later writes of this record would be held in place of the next build's.
  await settled(killed);
});

test("the old image stays after Ctrl-C between the transfer and the final state: exit code 130", async ({ killed }) => {
  const { queue, stack } = killed;
  queue.killAt(recordEnd);
  const { running, isUnchanged } = replacing(stack, "cancelled");
  await transferred(running);
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  isUnchanged();
  // The queue keeps the new image. Its record is complete when that was received.
  await queue.kill();
  await killed.start();
  const [, build = ""] = /fetch x\.sif with: cb-attach (\S+)/.exec(stderr) ?? [];
  const attached = await stack.run("cb-attach", [build, stack.path("fetched.sif")]);
  assert.is(attached.code, 0, attached.stderr);
  await settled(killed);
});

test("the old image stays when two builders report themselves broken after the transfer: exit code 75", async ({
  killed,
}) => {
  const { queue, stack } = killed;
  const agentDir = stack.path("broken-agent");
  mkdirSync(agentDir);
  copyFileSync(join(PROJECT, "dist/agent/agent.mjs"), join(agentDir, "shipped.mjs"));
  copyFileSync(new URL("../../support/queue/broken-agent.mjs", import.meta.url), join(agentDir, "agent.mjs"));
  await queue.kill("SIGTERM");
  await killed.start(({ pools }) => {
    const [pool] = pools;
    if (pool !== undefined)
      pools.push({ ...pool, name: "broken", reserve: 0, provider: { ...pool.provider, agentDir } });
  });
  const { running, isUnchanged } = replacing(stack, "broken", ["--pool", "broken"]);
  for (const images of [1, 2]) {
    const output = await transferred(running, images);
    writeFileSync(join(agentDir, `transferred-${lastBuilder(output)}`), "");
  }
  const { code, stderr } = await running.finished;
  assert.is(code, 75, stderr);
  assert.match(stderr, /the build was lost: .*the disk of the test failed.*; then .*the disk of the test failed/);
  isUnchanged();
});

test.run();
