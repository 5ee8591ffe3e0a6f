import { suite } from "uvu";
import * as assert from "uvu/assert";
import { diskFailureIn } from "../../../agent/disk-failure.ts";

const test = suite("disk trouble");

const write = (device: string) =>
  `I/O error, dev ${device}, sector 2099200 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 0`;

test("troubleIn() finds the first error of a disk, whatever it hangs on", () => {
  for (const device of ["vda", "sda", "nvme0n1"]) {
    const log = `EXT4-fs (vda1): mounted filesystem\n${write(device)}\n${write("vdb")}\n`;
    assert.is(diskFailureIn(log), `the builder's disk failed (is its host's disk full?): ${write(device)}`);
  }
});

test("troubleIn() finds none in what a config drive, a loop device or a healthy machine says", () => {
  assert.is(
    diskFailureIn(`${write("sr0")}\n${write("loop0")}\nvirtio_blk virtio1: [vda] 41943040 512-byte logical blocks\n`),
    undefined,
  );
});

test.run();
