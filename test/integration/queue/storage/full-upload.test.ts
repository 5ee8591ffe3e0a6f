/**
 * An upload while the disk of NATS is full waits. Once there is space and nats-server was restarted, it goes on, and the object is
 * whole: on each version of nats-server that a site may have.
 */
// slow: three servers wait for a full disk, one after the other
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../../infra/tools/setup/nats-server.ts";
import { addBucket, getAll, MIB, put } from "../../../support/nats/bucket.ts";
import { onServer, type ServerWorld } from "../../../support/nats/log-stream.ts";
import { Recorder } from "../../../support/recorder.ts";

const DISK_MIB = 64;
const UPLOAD_BYTES = 18 * MIB;
/**
 * Less than a block of the stream (8 MB) and a chunk: the first message of the second block cannot be written. Then 2.9.10 answers
 * no more, and has an empty block after the restart; 2.10.27 has lost the last sequence until the restart.
 */
const LEFT_BYTES = 8 * MIB;

/**
 * Debian's releases, with nats-server 2.9.10, 2.10 and 2.15, and whether the server still runs when there is space again. 2.9.10
 * would write the second block then, although it does not answer, and have no empty block after the restart.
 */
const RELEASES = { bookworm: false, trixie: true, sid: true };

class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), "cb-small-disk-"));

  constructor() {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", this.folder]);
  }

  async leave(freeBytes: number): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.folder);
    this.#resize((blocks - bfree) * bsize + freeBytes);
  }

  grow(): void {
    this.#resize(DISK_MIB * MIB);
  }

  remove(): void {
    execFileSync("umount", [this.folder]);
    rmSync(this.folder, { recursive: true });
  }

  #resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.folder]);
  }
}

function suiteOf(release: string, runsOn: boolean) {
  let disk: SmallDisk;
  const { NATS_SERVER, TMPDIR } = process.env;
  const test = suite<ServerWorld>(`full upload, nats-server of ${release}`);

  test.before(async () => {
    disk = new SmallDisk();
    process.env.NATS_SERVER = await natsServerOf(release, { onStep: console.log });
    process.env.TMPDIR = disk.folder;
  });
  test.after(() => {
    restore("NATS_SERVER", NATS_SERVER);
    restore("TMPDIR", TMPDIR);
    disk.remove();
  });
  onServer(test);

  test("an upload waits while the disk is full, and the object is whole after a restart", async (world) => {
    await addBucket(world);
    const data = randomBytes(UPLOAD_BYTES);
    await disk.leave(LEFT_BYTES);
    const waited = new Recorder<boolean>();
    const putting = put(world.guest, data, {
      ackTimeoutMs: 1000,
      onWaiting: (_, isRefused) => waited.add(isRefused),
    });
    // nats-server 2.9.10 answers nothing any more; the others refuse.
    await Promise.race([waited.any((isRefused) => isRefused || !runsOn), putting]);
    if (!runsOn) await world.nats.kill();
    disk.grow();
    // Each report is a second later than the last, and a refused window is sent again after 2 s at most.
    for (let report = 0; runsOn && report < 5; report++) await Promise.race([waited.next(), putting]);
    await world.nats.kill();
    await world.nats.start();
    const { nuid, sizeBytes } = await putting;
    assert.is(sizeBytes, UPLOAD_BYTES);
    assert.ok((await getAll(world.guest, { announced: { nuid, sizeBytes } })).data.equals(data));
    assert.ok((await getAll(world.guest)).data.equals(data));
  });

  return test;
}

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

for (const [release, runsOn] of Object.entries(RELEASES)) suiteOf(release, runsOn).run();
