import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { signalProcess } from "../../../lib/core/signal-process.ts";

const test = suite("signalProcess()");

test("signalProcess() ends a process and a process group, and returns false when neither exists", async () => {
  for (const target of [(pid: number) => pid, (pid: number) => -pid]) {
    const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    const { pid = 0 } = child;
    const exited = once(child, "exit");
    assert.is(signalProcess(target(pid), "SIGKILL"), true);
    assert.equal(await exited, [null, "SIGKILL"]);
    assert.is(signalProcess(target(pid), "SIGKILL"), false);
  }
});

test("signalProcess() refuses process ids that mean the caller's own group or every process", () => {
  for (const pid of [0, 1, -1, Number.NaN, 1.5]) assert.throws(() => signalProcess(pid, "SIGTERM"), RangeError);
});

test.run();
