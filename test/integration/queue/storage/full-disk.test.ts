/** nats-server on a small disk refuses new streams before the disk is full, answers all calls, and keeps its streams. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, DiscardPolicy, type NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Installation } from "../../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../../infra/nats/make-installation.ts";
import { type RunningServer, type StartOptions, startNatsServer } from "../../../../infra/nats/server.ts";
import { authenticator } from "../../../../lib/nats/credentials/authenticator.ts";
import { readCreds } from "../../../../lib/nats/credentials/creds.ts";
import { BuildStreams } from "../../../../lib/queue/builds/streams.ts";
import { healthOf } from "../../../support/nats/health-of.ts";
import { rejection } from "../../../support/rejection.ts";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

interface World {
  root: string;
  disk: string;
  installation: Installation;
}

const test = suite<World>("full disk");

test.before(async (world) => {
  world.root = mkdtempSync(join(tmpdir(), "cb-disk-"));
  world.disk = join(world.root, "disk");
  mkdirSync(world.disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=60m", "tmpfs", world.disk]);
  const keys = { folder: join(world.root, "keys"), name: "test", serverName: "nats.test", nowMs: Date.now() };
  world.installation = await makeInstallation(keys);
});
test.after(({ root, disk }) => {
  execFileSync("umount", [disk]);
  rmSync(root, { recursive: true, force: true });
});

async function withServer(
  options: StartOptions,
  work: (nc: NatsConnection, server: RunningServer) => Promise<void>,
): Promise<void> {
  const server = await startNatsServer(options);
  try {
    const { files, serverName } = options.installation;
    const { jwt, key } = await readCreds(files.queueCreds, Date.now());
    const tls = { caFile: files.caFile, servername: serverName };
    const nc = await connect({ servers: server.url, tls, authenticator: authenticator(jwt, key) });
    await work(nc, server).finally(() => nc.close());
  } finally {
    await server.stop();
  }
}

test("a user's bucket is refused before the disk is full, and other streams go on", async ({ disk, installation }) => {
  await withServer({ installation, dataDir: join(disk, "nats") }, async (nc) => {
    const { streams } = await nc.jetstreamManager();
    const builds = new BuildStreams(nc, { replicas: 1, logBytes: MiB }, healthOf(nc));
    const [large, small] = ["6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b", "7b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b"];
    await builds.create(small);
    const object = { bytes: 100 * MiB, chunkBytes: MiB };
    assert.match(String(await rejection(builds.reserveObject(large, object, 200 * MiB))), "no storage left");

    // Everything that the server grants is written.
    const config = { discard: DiscardPolicy.New, max_bytes: 8 * MiB };
    const names: string[] = [];
    const addNext = async () => {
      const name = `filler-${names.length}`;
      await streams.add({ ...config, name, subjects: [name] });
      names.push(name);
    };
    assert.match(String(await rejection(untilRefused(addNext))), "insufficient storage");
    for (const name of names) {
      const fill = () => nc.jetstream().publish(name, Buffer.alloc(MiB / 2));
      assert.match(String(await rejection(untilRefused(fill))), /503|maximum bytes exceeded/);
    }
    const { bavail, bsize } = await statfs(disk);
    assert.ok(bavail * bsize > 4 * MiB, `${bavail * bsize} bytes are free`);
    await builds.publishState(small, { v: 1, state: "queued", position: 1, reason: "no builder is ready" });

    await streams.delete(names.pop() ?? "");
    await builds.reserveObject(large, { bytes: 4 * MiB, chunkBytes: MiB }, 200 * MiB);
  });
});

/** A hundred calls would exceed the disk by far. */
async function untilRefused(call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 100; i++) await call();
}

test("a server with a smaller limit than before keeps every stream", async ({ root, installation }) => {
  const dataDir = join(root, "large");
  await withServer({ installation, dataDir, maxFileBytes: 3 * GiB }, async (nc) => {
    const { streams } = await nc.jetstreamManager();
    for (const name of ["a", "b"]) await streams.add({ name, subjects: [name], max_bytes: GiB });
    await nc.jetstream().publish("a", "kept");
  });
  await withServer({ installation, dataDir, maxFileBytes: 64 * MiB }, async (nc) => {
    const { streams } = await nc.jetstreamManager();
    assert.is((await streams.getMessage("a", { seq: 1 })).string(), "kept");
    assert.is((await streams.info("b")).config.max_bytes, GiB);
    const error = await rejection(streams.add({ name: "c", subjects: ["c"], max_bytes: MiB }));
    assert.match(String(error), "insufficient storage");
  });
});

test.run();
