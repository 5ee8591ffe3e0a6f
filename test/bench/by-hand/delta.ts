/**
 * A rebuild with a late change: the time until the image is in place, and the bytes that reach the client, with and without --reuse, by
 * turns; over a line to NATS of 12 MB/s for the client, and over one without a limit. A whole local stack, the shipped programs.
 * `npx tsx test/bench/by-hand/delta.ts [MB [ROUNDS]]`
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import type { BuildTimes } from "../../../lib/cli/report/build-metadata.ts";
import { clientAt } from "../../support/nats/proxied-client.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const [, , megabytes = "200", rounds = "3"] = process.argv;
const LIMITED_BYTES_PER_S = 12e6;

const stack = await Stack.start();
let passedBytes = 0;
try {
  const config = readFileSync(stack.statePath("client", "config.yaml"), "utf8");
  const port = Number(/^url: \S+:(\d+)$/m.exec(config)?.[1]);
  const data = stack.path("data");
  writeFileSync(data, randomBytes(Number(megabytes) * 1e6));
  const old = stack.path("old.sif");
  await build("first", old, {});
  for (const [name, rate] of [
    ["12 MB/s", LIMITED_BYTES_PER_S],
    ["no limit", Number.POSITIVE_INFINITY],
  ] as const) {
    const line = limitedLine(port, rate);
    await once(line.listen(0, "127.0.0.1"), "listening");
    const env = clientAt(stack, (line.address() as { port: number }).port);
    for (let round = 1; round <= Number(rounds); round += 1) {
      for (const reuse of [[], ["--reuse"]]) {
        // As --force replaces the image that is reused.
        const image = stack.path("x.sif");
        copyFileSync(old, image);
        const options = reuse.length === 0 ? ["--force"] : ["--force", "--reuse", image];
        passedBytes = 0;
        const times = await build(`${name} ${round} ${reuse.join("")}`, image, env, options);
        const columns = [
          name,
          `round ${round}`,
          reuse[0] ?? "whole",
          `${times.builtMs} ms built and listed, ${times.transferredMs} ms transferred`,
        ];
        console.log([...columns, `${times.totalMs} ms in all`, `${(passedBytes / 1e6).toFixed(1)} MB`].join(", "));
      }
    }
    line.close();
  }
} finally {
  await stack.stop();
}

/** The agent lists the chunks before it announces the image, so that is a part of `builtMs`. */
async function build(label: string, image: string, env: Record<string, string>, options: readonly string[] = []) {
  const path = stack.path("large.def");
  const text = readFileSync(HELLO, "utf8").replace(
    "\n%labels\n",
    `\n%labels\n    Change ${label.replace(/\W/g, "")}\n`,
  );
  writeFileSync(path, `${text}\n%files\n    ${stack.path("data")} /data\n`);
  const metadata = stack.path("times.json");
  rmSync(metadata, { force: true });
  const startedMs = performance.now();
  const argv = [...options, "--metadata-file", metadata, image, path];
  const { code, stderr } = await stack.run("container-builder", argv, { env });
  const totalMs = Math.round(performance.now() - startedMs);
  if (code !== 0) throw new Error(stderr);
  const { times } = JSON.parse(readFileSync(metadata, "utf8")) as { times: BuildTimes };
  return { totalMs, ...times };
}

/** All connections share its rate, from the server to the client. */
function limitedLine(target: number, bytesPerS: number): Server {
  let freeAtMs = 0;
  return createServer((client) => {
    const server = connect(target, "127.0.0.1");
    client.pipe(server);
    client.on("error", () => server.destroy()).on("close", () => server.destroy());
    server.on("error", () => client.destroy()).on("end", () => client.end());
    server.on("data", (chunk: Buffer) => {
      passedBytes += chunk.length;
      client.write(chunk);
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length / bytesPerS) * 1000;
      const waitMs = freeAtMs - performance.now();
      if (waitMs < 1) return;
      server.pause();
      setTimeout(() => server.resume(), waitMs);
    });
  });
}
