/**
 * Pulls a base image with buildah in a sandbox, over a line of 10 MB/s to its registry: without a copy and with cb-registry's, the
 * first time and the second, by turns. `npx tsx test/bench/by-hand/base-images.ts [MB [ROUNDS]]`
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { freePort } from "../../../infra/local/http-port.ts";
import { dockerRegistryPath } from "../../../infra/tools/setup/unpacked-program.ts";
import { isReplying } from "../../../lib/oci/is-replying.ts";
import { runPullThrough } from "../../../lib/oci/pull-through/service.ts";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { push, startRegistry } from "../../support/oci/docker-registry.ts";
import { testRootfs } from "../../support/rootfs.ts";

const LINE_BYTES_PER_S = 10e6;
const [, , megabytes = "100", rounds = "3"] = process.argv;

const folder = mkdtempSync(join(tmpdir(), "cb-base-images-"));
const upstream = await startRegistry({ folder: mkdtempSync(join(folder, "upstream-")) });
await push(upstream.host, { repository: "site/base", tags: ["1"], layers: [layerOf(Number(megabytes) * 1e6)] });
let passedBytes = 0;
const line = limitedLine(Number(upstream.host.split(":")[1]));
await once(line.listen(0, "127.0.0.1"), "listening");
const linePort = (line.address() as { port: number }).port;
const copyPort = (await freePort(0)) ?? 0;
const program = await dockerRegistryPath();

for (let round = 1; round <= Number(rounds); round++) {
  const stop = new AbortController();
  const listen = `127.0.0.1:${copyPort}`;
  const running = runPullThrough(
    {
      registries: [{ host: `127.0.0.1:${linePort}`, plainHttp: true, listen }],
      folder: mkdtempSync(join(folder, "copies-")),
      maxBytes: 1e12,
      program,
      log: pino({ level: "silent" }),
    },
    stop.signal,
  );
  while (!(await isReplying({ host: listen, plainHttp: true }, 1_000))) {}
  for (const time of ["first", "second"]) {
    await pull(`round ${round}, ${time}, without a copy`, linePort);
    await pull(`round ${round}, ${time}, with a copy`, copyPort);
  }
  stop.abort();
  await running;
}
line.close();
await upstream.stop();
rmSync(folder, { recursive: true, force: true });

/** Random bytes, so that nothing is compressed on the way. */
function layerOf(bytes: number): Buffer {
  const tree = join(folder, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "data"), randomBytes(bytes));
  execFileSync("tar", ["--owner=0", "--group=0", "-C", tree, "-cf", join(folder, "layer.tar"), "."]);
  return readFileSync(join(folder, "layer.tar"));
}

/** All connections share its rate. */
function limitedLine(port: number): Server {
  let freeAtMs = 0;
  return createServer((client) => {
    const server = connect(port, "127.0.0.1");
    client.pipe(server);
    client.on("error", () => server.destroy()).on("close", () => server.destroy());
    server.on("error", () => client.destroy()).on("end", () => client.end());
    server.on("data", (chunk: Buffer) => {
      passedBytes += chunk.length;
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length / LINE_BYTES_PER_S) * 1000;
      server.pause();
      client.write(chunk);
      setTimeout(() => server.resume(), freeAtMs - performance.now());
    });
  });
}

async function pull(title: string, port: number): Promise<void> {
  const before = passedBytes;
  const image = `${HOST_LOOPBACK}:${port}/site/base:1`;
  const storage = "--root /var/scratch/root --runroot /var/scratch/run --storage-driver overlay";
  const timed = `date +%s.%N; buildah ${storage} pull -q --tls-verify=false ${image} >/dev/null && date +%s.%N`;
  const [start = 0, end = Number.NaN] = (await inSandbox(timed)).trim().split("\n").slice(-2).map(Number);
  const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
  const overLine = ((passedBytes - before) / 1e6).toFixed(0);
  console.log(`${title}: ${(end - start).toFixed(1)} s, ${overLine} MB over the line, load ${load}`);
}

async function inSandbox(script: string): Promise<string> {
  const [rootfs, command] = [await testRootfs(), ["bash", "-c", script]];
  const { stdout } = await runInSandbox({
    rootfs,
    command,
    network: true,
    hostPorts: [linePort, copyPort],
    stdio: "pipe",
  });
  return stdout;
}
