/** The versions of the programs that a run compares. */
import { execFileSync, spawnSync } from "node:child_process";

const firstLine = (text: string): string => text.split("\n")[0] ?? "";

export function versions(): Record<string, string> {
  return {
    node: process.version,
    "nats-server": firstLine(
      execFileSync(process.env.NATS_SERVER ?? "nats-server", ["--version"], { encoding: "utf8" }),
    ),
    // ssh prints its version on standard error.
    ssh: firstLine(spawnSync("ssh", ["-V"], { encoding: "utf8" }).stderr),
  };
}
