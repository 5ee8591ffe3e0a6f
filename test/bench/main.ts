/**
 * Benchmarks, no tests: `npm run bench [-- [--quick] [NAME…]]` prints a table and writes bench/results.json. Each comparison alternates
 * both sides on this machine; trust the ratios, and only those of a machine without other work.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build as bundle } from "../../infra/tools/build.ts";
import { ensureTools } from "../../infra/tools/setup/ensure-tools.ts";
import { natsServerPath } from "../../infra/tools/setup/nats-server.ts";
import { TEST_TOOLS } from "../../infra/tools/setup/packages.ts";
import type { Benchmark } from "./benchmark.ts";
import { context } from "./context.ts";
import { compare, type Result } from "./measure.ts";
import { get, image, put } from "./objects.ts";
import { line, lines } from "./output.ts";
import { planner } from "./planner.ts";
import { build, help, status } from "./programs.ts";
import { burst, lease } from "./reservations.ts";
import { tableOf } from "./table.ts";
import { versions } from "./versions.ts";
import { World } from "./world.ts";

const BENCHMARKS = { put, get, image, context, lines, line, lease, burst, build, status, help, planner };
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const RESULTS = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "bench", "results.json");

const print = (text: string): boolean => process.stdout.write(`${text}\n`);

function selected(names: readonly string[]): [string, Benchmark][] {
  const known = Object.entries(BENCHMARKS);
  const wrong = names.filter((name) => !(name in BENCHMARKS));
  if (wrong.length > 0) {
    print(`error: no benchmark is called ${wrong.join(", ")}\n  choose from: ${Object.keys(BENCHMARKS).join(", ")}`);
    process.exit(64);
  }
  return names.length === 0 ? known : known.filter(([name]) => names.includes(name));
}

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const { quick } = values;
const benchmarks = selected(positionals);
await ensureTools({ need: [...TEST_TOOLS, "sshd"], onStep: print });
await bundle();
process.env.NATS_SERVER = await natsServerPath();
const world = new World({ quick });
const results: Result[] = [];
try {
  for (const [name, { rows, rounds = ROUNDS, start }] of benchmarks) {
    print(`${name} …`);
    results.push(...(await compare(rows, await start(world), quick ? QUICK_ROUNDS : rounds)));
  }
} finally {
  await world.close();
}
const machine = {
  processors: cpus().length,
  model: cpus()[0]?.model ?? "unknown",
  memoryMib: Math.round(totalmem() / 2 ** 20),
  kernel: release(),
  load: loadavg()[0] ?? 0,
};
mkdirSync(dirname(RESULTS), { recursive: true });
const document = { v: 1, atMs: Date.now(), quick, machine, versions: versions(), results };
writeFileSync(RESULTS, `${JSON.stringify(document, undefined, 2)}\n`);
print(tableOf(results));
print(`written: ${RESULTS}`);
process.exit(0);
