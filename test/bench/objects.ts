/** Objects beside scp: stored, fetched, and both at once, as an image travels. */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { getObject } from "../../lib/transfer/get.ts";
import { newObjectId, putFile } from "../../lib/transfer/put.ts";
import { receiveFile } from "../../lib/transfer/receive-file.ts";
import type { Benchmark } from "./benchmark.ts";
import { BUCKET, BuildNats } from "./build-nats.ts";
import type { PutCommand, SourceOptions } from "./image-source.ts";
import { secondsOf } from "./measure.ts";
import { runToEnd } from "./run.ts";
import type { World } from "./world.ts";

const MIB = 2 ** 20;
const sizeMib = (world: World): number => (world.quick ? 128 : 1024);
/** The object, and as much again for a round that begins before the server has deleted the files of the one before. */
const nats = (world: World): Promise<BuildNats> => world.once("nats", () => BuildNats.start(world, 4 * 1024 * MIB));

async function scp(world: World, file: string): Promise<void> {
  const { host, options } = await world.sshd();
  await runToEnd("scp", ["-q", ...options, file, `${host}:${world.path("copy")}`]);
}

/** The process of the builder's side, connected. */
async function startSource(server: BuildNats, file: string): Promise<ChildProcess> {
  const source = fork(new URL("image-source.ts", import.meta.url));
  source.send({ ...server.agentElsewhere(), file } satisfies SourceOptions);
  await once(source, "message");
  return source;
}

export const put: Benchmark = {
  rows: [{ name: "put", what: "a file, stored", against: "scp", unit: "MiB/s", goal: "≥ 1.2" }],
  async start(world) {
    const file = world.randomFile(sizeMib(world));
    const server = await nats(world);
    const js = await server.guest("agent");
    return {
      async ours() {
        await server.empty();
        return [sizeMib(world) / (await secondsOf(() => putFile(js, file, { bucket: BUCKET, name: "image" })))];
      },
      theirs: async () => [sizeMib(world) / (await secondsOf(() => scp(world, file)))],
    };
  },
};

export const get: Benchmark = {
  rows: [{ name: "get", what: "an object, a verified file", against: "scp", unit: "MiB/s", goal: "≥ 1.2" }],
  async start(world) {
    const file = world.randomFile(sizeMib(world));
    const server = await nats(world);
    await server.empty();
    await putFile(await server.guest("agent"), file, { bucket: BUCKET, name: "image" });
    const js = await server.guest("caller");
    const target = { path: world.path("fetched"), force: true };
    return {
      async ours() {
        const seconds = await secondsOf(async () =>
          (await receiveFile(getObject(js, { bucket: BUCKET, name: "image" }), target)).place(),
        );
        return [sizeMib(world) / seconds];
      },
      theirs: async () => [sizeMib(world) / (await secondsOf(() => scp(world, file)))],
    };
  },
};

export const image: Benchmark = {
  rows: [
    {
      name: "image",
      what: "an image of a builder, a verified file at the caller",
      against: "sha256sum, scp, sha256sum",
      unit: "MiB/s",
      goal: "≥ 1",
    },
  ],
  async start(world) {
    const file = world.randomFile(sizeMib(world));
    const server = await nats(world);
    const source = await startSource(server, file);
    world.onClose(() => source.kill());
    const js = await server.guest("caller");
    const target = { path: world.path("fetched"), force: true };
    return {
      async ours() {
        await server.empty();
        const announced = { nuid: newObjectId(), sizeBytes: sizeMib(world) * MIB };
        const seconds = await secondsOf(async () => {
          source.send({ nuid: announced.nuid } satisfies PutCommand);
          await (await receiveFile(getObject(js, { bucket: BUCKET, name: "image", announced }), target)).place();
        });
        return [sizeMib(world) / seconds];
      },
      async theirs() {
        const seconds = await secondsOf(async () => {
          execFileSync("sha256sum", [file]);
          await scp(world, file);
          execFileSync("sha256sum", [world.path("copy")]);
        });
        rmSync(world.path("copy"));
        return [sizeMib(world) / seconds];
      },
    };
  },
};
