import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fullDisk } from "../../../agent/disk-failure.ts";
import { memoryFailure } from "../../../agent/memory-failure.ts";

const test = suite("memory-failure");
const folder = mkdtempSync(join(tmpdir(), "cb-memory-"));
test.after(() => rmSync(folder, { recursive: true }));

const OUTPUT = `/.post.script: line 3:    17 Killed                  make -j64
FATAL:   While performing build: while running %post section: exit status 137`;

/** Writes the files of the limit, of cgroup version 2 or 1. */
function limitEnded(count: number, version: 1 | 2): void {
  const events = version === 2 ? `low 0\noom 9\noom_kill ${count}\n` : `oom_kill_disable 0\noom_kill ${count}\n`;
  writeFileSync(join(folder, "memory-events"), events);
  writeFileSync(join(folder, "memory-limit"), `${512 * 1024 * 1024}\n`);
}

test("memoryFailure() names the limit, the process and the section", async () => {
  for (const version of [1, 2] as const) {
    limitEnded(1, version);
    assert.match(
      (await memoryFailure(OUTPUT, folder)) ?? "",
      "the builder's memory limit of 512 MiB ended make during %post;",
    );
    assert.match((await memoryFailure("Killed", folder)) ?? "", "limit of 512 MiB ended a process during the build;");
  }
});

test("memoryFailure() is undefined when the limit ended no process, and without a limit", async () => {
  limitEnded(0, 2);
  assert.is(await memoryFailure(OUTPUT, folder), undefined);
  assert.is(await memoryFailure(OUTPUT, join(folder, "none")), undefined);
});

test("fullDisk() knows the message of C and of Go programs", async () => {
  assert.match(
    (await fullDisk("cat: write error: No space left on device\n", folder)) ?? "",
    /builder's disk of \d+\.\d GiB/,
  );
  assert.match((await fullDisk("write /tmp/x: no space left on device", folder)) ?? "", "diskGiB");
  assert.is(await fullDisk("Permission denied", folder), undefined);
});

test.run();
