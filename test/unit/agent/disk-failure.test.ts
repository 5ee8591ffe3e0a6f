import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { diskFailure, diskFailureIn } from "../../../agent/disk-failure.ts";

const test = suite("disk failure");

const writeError = (device: string) =>
  `I/O error, dev ${device}, sector 2099200 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 0`;

/** A record of the kernel log: 3 is the kernel's own message of level "error", 11 the same from a process. */
const record = (prefix: number, text: string) => `${prefix},1234,5678901,-;${text}\n SUBSYSTEM=block\n`;

test("diskFailureIn() returns the first error of a virtio, SCSI or NVMe disk", () => {
  for (const device of ["vda", "sda", "nvme0n1"]) {
    const texts = ["EXT4-fs (vda1): mounted filesystem", writeError(device), writeError("vdb")];
    assert.is(
      diskFailureIn(texts.map((text) => record(3, text))),
      `the builder's disk failed (is its host's disk full?): ${writeError(device)}`,
    );
  }
});

test("diskFailureIn() ignores a config drive, a loop device and a healthy disk", () => {
  const texts = [writeError("sr0"), writeError("loop0"), "virtio_blk virtio1: [vda] 41943040 512-byte logical blocks"];
  assert.is(diskFailureIn(texts.map((text) => record(6, text))), undefined);
});

test("diskFailureIn() ignores an error that a process wrote to the kernel log", () => {
  for (const prefix of [8, 11, 12, 15, 30]) assert.is(diskFailureIn([record(prefix, writeError("vda"))]), undefined);
  assert.is(diskFailureIn([record(12, `x\n3,1,1,-;${writeError("vda")}`)]), undefined);
  assert.ok(diskFailureIn([record(7, writeError("vda"))]));
});

test("diskFailure() ignores a file, a pipe and another device in the place of the kernel log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cb-kmsg-"));
  try {
    const [file, pipe] = [join(folder, "kmsg"), join(folder, "pipe")];
    writeFileSync(file, record(3, writeError("vda")));
    execFileSync("mkfifo", [pipe]);
    for (const path of [file, pipe, "/dev/null", "/nowhere"]) assert.is(await diskFailure(path), undefined, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
