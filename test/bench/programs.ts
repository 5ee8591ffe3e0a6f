/** Programs from their start to their end, beside Node alone, and the whole of a small build beside apptainer alone. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { SandboxProvider } from "../../lib/provider/sandbox/provider.ts";
import { inside, SCRIPT_AGENT } from "../support/inside-sandbox.ts";
import { HELLO } from "../support/recipe/recipes.ts";
import { testRootfs } from "../support/rootfs.ts";
import type { Benchmark } from "./benchmark.ts";
import { secondsOf } from "./measure.ts";
import { drained } from "./run.ts";
import type { World } from "./world.ts";

const milliseconds = async (work: () => unknown): Promise<number[]> => [1000 * (await secondsOf(work))];
const bareNode = () => milliseconds(() => drained(spawn(process.execPath, ["-e", "0"])));

async function program(world: World, name: string, args: readonly string[]) {
  const stack = await world.stack();
  const ours = () => milliseconds(() => drained(stack.spawn(name, args)));
  // The first start compiles the program for those after it.
  await ours();
  return { ours, theirs: bareNode };
}

export const status: Benchmark = {
  rows: [{ name: "cb-status", what: "cb-status, start to exit", against: "node -e 0", unit: "ms", goal: "≤ 1.6" }],
  rounds: 21,
  start: (world) => program(world, "cb-status", []),
};

export const help: Benchmark = {
  rows: [
    { name: "help", what: "container-builder --help, start to exit", against: "node -e 0", unit: "ms", goal: "≤ 1.25" },
  ],
  rounds: 21,
  start: (world) => program(world, "container-builder", ["--help"]),
};

/** The agent starts the same command. The sandboxes have the same root file system and limits as those of the stack. */
async function apptainerAlone(world: World): Promise<number> {
  const provider = new SandboxProvider({
    stateDir: world.path("sandboxes"),
    rootfs: await testRootfs(),
    installation: "test",
    agentCommand: SCRIPT_AGENT,
    agentBinds: [],
    allowHostPorts: [],
  });
  const script = `
cat > /root/hello.def <<'END'
${readFileSync(HELLO, "utf8")}
END
start=$EPOCHREALTIME
apptainer build --mksquashfs-args "-Xcompression-level 6" /root/hello.sif /root/hello.def
echo "from $start to $EPOCHREALTIME"`;
  const printed = await inside(provider, script);
  const [, start = "", end = ""] = /from (\S+) to (\S+)/.exec(printed) ?? [];
  return 1000 * (Number(end) - Number(start));
}

export const build: Benchmark = {
  rows: [
    {
      name: "build",
      what: "a trivial build, command start to file in place",
      against: "its apptainer command in such a sandbox",
      unit: "ms",
      goal: "+ ≤ 120 ms",
    },
  ],
  async start(world) {
    const stack = await world.stack();
    const ours = () =>
      milliseconds(() => drained(stack.spawn("container-builder", ["--force", stack.path("hello.sif"), HELLO])));
    await ours();
    return { ours, theirs: async () => [await apptainerAlone(world)] };
  },
};
