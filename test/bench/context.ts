/** A context of many small files beside `tar c | ssh HOST tar x`. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findContext } from "../../lib/recipe/context/find.ts";
import { packContext } from "../../lib/recipe/context/pack.ts";
import { unpackContext } from "../../lib/recipe/context/unpack.ts";
import { getObject } from "../../lib/transfer/get.ts";
import { putObject } from "../../lib/transfer/put.ts";
import type { Benchmark } from "./benchmark.ts";
import { BUCKET, BuildNats } from "./build-nats.ts";
import { secondsOf } from "./measure.ts";
import { runToEnd } from "./run.ts";
import type { World } from "./world.ts";

const MIB = 2 ** 20;
const FILE_BYTES = 50_000;
const FOLDERS = 100;

function makeFiles(world: World, count: number): string {
  const folder = world.path("context");
  for (let n = 0; n < count; n += 1) {
    const parent = join(folder, `folder-${n % FOLDERS}`);
    if (n < FOLDERS) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${n}`), randomBytes(FILE_BYTES));
  }
  return folder;
}

export const context: Benchmark = {
  rows: [
    {
      name: "context",
      what: "a context of small files of 50 kB: found, packed, stored, fetched, unpacked",
      against: "tar c | ssh HOST tar x",
      unit: "MiB/s",
      goal: "≥ 1",
    },
  ],
  async start(world) {
    const count = world.quick ? 1000 : 10_000;
    const mib = (count * FILE_BYTES) / MIB;
    const directory = makeFiles(world, count);
    const server = await BuildNats.start(world, 2048 * MIB);
    const [caller, agent] = await Promise.all([server.guest("caller"), server.guest("agent")]);
    const { host, options } = await world.sshd();
    const target = world.path("unpacked");
    const renew = () => {
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
    };
    return {
      async ours() {
        renew();
        await server.empty();
        const seconds = await secondsOf(async () => {
          const found = await findContext({ directory, backend: "docker", inputs: [], whole: true });
          if (found === undefined) throw new Error("no context");
          await putObject(caller, packContext(found), { bucket: BUCKET, name: "context" });
          const chunks = getObject(agent, { bucket: BUCKET, name: "context" });
          await unpackContext(chunks, { root: target, highestId: found.highestId });
        });
        return [mib / seconds];
      },
      async theirs() {
        renew();
        const far = ["ssh", ...options, host, `tar x -C ${target}`].join(" ");
        return [mib / (await secondsOf(() => runToEnd("sh", ["-c", `tar c -C ${directory} . | ${far}`])))];
      },
    };
  },
};
