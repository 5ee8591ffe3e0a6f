/** The output of a build: its rate beside `ssh HOST cat`, and the time that one line takes to the caller. */
import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { recipe, uncompressed } from "../support/recipe/recipes.ts";
import type { Benchmark } from "./benchmark.ts";
import { quantile, secondsOf } from "./measure.ts";
import { drained, runToEnd } from "./run.ts";

export const lines: Benchmark = {
  rows: [
    {
      name: "lines",
      what: "lines of a build, first to last, on the caller's standard output",
      against: "ssh HOST cat",
      unit: "lines/s",
      goal: "≥ 1",
    },
  ],
  async start(world) {
    const count = world.quick ? 200_000 : 2_000_000;
    const stack = await world.stack();
    const { host, options } = await world.sshd();
    const text = stack.path("lines.txt");
    execFileSync("sh", ["-c", `seq -f 'line %012.0f of some length, as compilers print them' 1 ${count} > ${text}`]);
    const path = recipe(stack, "lines", "    set +x\n    echo it has begun; cat /lines.txt; echo it has ended");
    appendFileSync(path, "\n%files\n    lines.txt /lines.txt\n");
    const definition = uncompressed(path);
    return {
      async ours() {
        const client = stack.spawn("container-builder", ["--force", stack.path("lines.sif"), definition]);
        const marks = { begunMs: 0, endedMs: 0, tail: "" };
        client.stdout.on("data", (chunk: Buffer) => {
          const seen = marks.tail + chunk.toString("latin1");
          if (marks.begunMs === 0 && seen.includes("it has begun")) marks.begunMs = performance.now();
          if (marks.endedMs === 0 && seen.includes("it has ended")) marks.endedMs = performance.now();
          marks.tail = seen.slice(-16);
        });
        await drained(client);
        return [(1000 * count) / (marks.endedMs - marks.begunMs)];
      },
      theirs: async () => [count / (await secondsOf(() => runToEnd("ssh", [...options, host, `cat ${text}`])))],
    };
  },
};

/** The recipe's own clock is that of this machine, so the difference of the times is the way of the line. */
export const line: Benchmark = {
  rows: [
    {
      name: "line-p50",
      what: "one line of a hundred a second, to the caller: half take less",
      unit: "ms",
      goal: "≤ 5",
    },
    { name: "line-p99", what: "the same: 99 of 100 take less", unit: "ms", goal: "≤ 20" },
  ],
  async start(world) {
    const count = world.quick ? 300 : 1000;
    const stack = await world.stack();
    // %setup runs on the builder, and bash there prints the time without starting a program.
    const path = recipe(stack, "line", "    true");
    const loop = `for n in $(seq ${count}); do echo "at $EPOCHREALTIME"; sleep 0.01; done`;
    execFileSync("sed", ["-i", `s|^%setup$|%setup\\n    bash -c '${loop.replaceAll("$", "\\$")}'|`, path]);
    return {
      async ours() {
        const client = stack.spawn("container-builder", ["--force", stack.path("line.sif"), path]);
        const tookMs: number[] = [];
        for await (const text of createInterface({ input: client.stdout })) {
          const nowMs = performance.timeOrigin + performance.now();
          const at = /^at (\d+\.\d+)$/.exec(text)?.[1];
          if (at !== undefined) tookMs.push(nowMs - Number(at) * 1000);
        }
        if (tookMs.length !== count) throw new Error(`${tookMs.length} lines of ${count} arrived`);
        return [quantile(tookMs, 0.5), quantile(tookMs, 0.99)];
      },
    };
  },
};
