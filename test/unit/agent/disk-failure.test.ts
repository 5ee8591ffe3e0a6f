import { suite } from "uvu";
import * as assert from "uvu/assert";
import { diskFailureIn } from "../../../agent/disk-failure.ts";

const test = suite("disk failure");

const writeError = (device: string) =>
  `I/O error, dev ${device}, sector 2099200 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 0`;

test("diskFailureIn() returns the first error of a virtio, SCSI or NVMe disk", () => {
  for (const device of ["vda", "sda", "nvme0n1"]) {
    const log = `EXT4-fs (vda1): mounted filesystem\n${writeError(device)}\n${writeError("vdb")}\n`;
    assert.is(diskFailureIn(log), `the builder's disk failed (is its host's disk full?): ${writeError(device)}`);
  }
});

test("diskFailureIn() ignores a config drive, a loop device and a healthy disk", () => {
  assert.is(
    diskFailureIn(
      `${writeError("sr0")}\n${writeError("loop0")}\nvirtio_blk virtio1: [vda] 41943040 512-byte logical blocks\n`,
    ),
    undefined,
  );
});

test.run();
