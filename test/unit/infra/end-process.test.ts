import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endProcess } from "../../../infra/tools/end-process.ts";

const test = suite("infra/tools/end-process");

/** Starts a shell that prints a line when it is ready, and then waits for a line. */
async function startShell(prelude: string): Promise<ChildProcess> {
  const child = spawn("sh", ["-c", `${prelude}echo ready; read -r _`], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

const isRunning = (child: ChildProcess) => () => child.exitCode === null && child.signalCode === null;

test("endProcess() ends a process with SIGTERM", async () => {
  const child = await startShell("");
  await endProcess(child.pid ?? 0, { isRunning: isRunning(child), graceMs: 60_000 });
  assert.is(child.signalCode, "SIGTERM");
});

test("endProcess() kills a process that ignores SIGTERM after graceMs", async () => {
  const child = await startShell("trap '' TERM; ");
  await endProcess(child.pid ?? 0, { isRunning: isRunning(child), graceMs: 10 });
  assert.is(child.signalCode, "SIGKILL");
});

test("endProcess() resolves when the process has ended already", async () => {
  await endProcess(2 ** 22 + 1, { isRunning: () => false, graceMs: 60_000 });
});

test.run();
