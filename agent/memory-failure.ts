/** Explains to the user that the memory limit of the builder ended a process of the build. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Folder with the files of the builder's memory limit, which a sandbox has (lib/provider/sandbox/bounds.ts). The host's kernel writes
 * them, and root of the sandbox cannot.
 */
const FOLDER = "/run/sandbox";
const MIB = 1024 * 1024;

/** The message of bash about the end of a command: "PATH: line N: PID Killed COMMAND". */
const KILLED = /: line \d+: +\d+ Killed +(?:\w+=\S* +)*["']?([\w./+-]{1,100})/g;
/** The error of apptainer about a section of a definition. */
const SECTION = /while running (%\w{1,20}) section/;

/** The reason. Undefined when the limit ended no process, and on a builder without such a limit. */
export async function memoryFailure(output: string, folder = FOLDER): Promise<string | undefined> {
  const [events, limit] = await Promise.all(
    ["memory-events", "memory-limit"].map((name) => readOrEmpty(join(folder, name))),
  );
  const ended = /^oom_kill (\d+)$/m.exec(events ?? "")?.[1] ?? "0";
  if (ended === "0") return undefined;
  const mib = Math.floor(Number(limit) / MIB);
  const program = [...output.matchAll(KILLED)].at(-1)?.[1] ?? "a process";
  const section = SECTION.exec(output)?.[1] ?? "the build";
  return `the builder's memory limit of ${mib} MiB ended ${program} during ${section}; let the recipe use less memory (make -j2), or ask an operator for more (memoryMiB)`;
}

/**
 * Makes the kernel end processes of the build, not the agent, when memory runs out: a sandbox gives all its processes the score of
 * the build (lib/provider/sandbox/scripts/init.sh), and run-build.ts gives it to the programs of the build on every builder.
 */
export async function keepAgentAlive(): Promise<void> {
  // A host that gives its services a higher score keeps the agent from a lower one.
  await writeFile("/proc/self/oom_score_adj", "0").catch(() => undefined);
}

const readOrEmpty = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
