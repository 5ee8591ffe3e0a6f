/** Runs the programs that are compared with ours. */
import { type ChildProcess, spawn } from "node:child_process";

/** Runs it to its end, its output read and dropped. Rejects when it fails. */
export function runToEnd(program: string, args: readonly string[]): Promise<void> {
  return drained(spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] }));
}

/** Reads the output of a started program to its end. Rejects when the program fails. */
export function drained(child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  child.stderr?.resume();
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}`)),
    );
  });
}
