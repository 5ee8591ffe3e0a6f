/** A testbed ends with the program that started it, even after SIGKILL. */
// alone: all files share one testbed, and its faults
// timeout: 400 s
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../support/until.ts";

const test = suite("testbed after a crash");

const PROGRAM = `
  import { startTestbed } from ${JSON.stringify(new URL("./testbed/testbed.ts", import.meta.url).href)};
  const { signal } = new AbortController();
  const { box } = await startTestbed({ driver: "fake", onStep: console.log, signal });
  console.log("box", box.pid);`;

/** The processes in that network namespace. */
function inNetwork(network: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => networkOf(pid) === network);
}

function networkOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

test("SIGKILL of the program that started a testbed ends all its processes", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", PROGRAM], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let pid = "";
  for await (const line of createInterface({ input: child.stdout })) {
    pid = /^box (\d+)$/.exec(line)?.[1] ?? "";
    if (pid !== "") break;
  }
  const network = networkOf(pid);
  assert.ok(network);
  assert.ok(inNetwork(network).length > 10, "the services run");
  child.kill("SIGKILL");
  await once(child, "exit");
  await until("all processes have ended", () => inNetwork(network).length === 0);
});

test.run();
