/** Makes sure that the programs a command is about to call are there: installs them, or says how to have them. */
import { CbError } from "../../../lib/core/errors.ts";
import { aptInstall, hasApt } from "./apt.ts";
import { findPrograms } from "./find-program.ts";
import { natsServerPath } from "./nats-server.ts";
import { TOOLS, type Tool } from "./packages.ts";
import { withProgress } from "./run-command.ts";

export interface EnsureOptions {
  readonly need: readonly Tool[];
  /** Told, in plain lines, what is done and how long it takes; not called when nothing is missing. */
  readonly onStep: (line: string) => void;
}

/**
 * Returns when every tool is there. As root the missing ones are installed with apt-get; nats-server is fetched into the
 * cache folder by anyone. Throws CbError "config", which names each missing tool, why it is needed and the command
 * that mends it, where that takes root or another system's packages; "infrastructure" where apt-get fails.
 */
export async function ensureTools({ need, onStep }: EnsureOptions): Promise<void> {
  const missing = missingTools(need);
  if (missing.length > 0) {
    const isRoot = process.getuid?.() === 0;
    if (!isRoot || !hasApt()) throw missingToolsError(missing, hasApt());
    const packages = packagesOf(missing);
    await withProgress(`Installing packages with apt-get: ${packages.join(" ")}`, onStep, () => aptInstall(packages));
  }
  if (need.includes("nats-server")) await natsServerPath({ onStep });
}

/** Those that are not there and that only root can install. */
export function missingTools(need: readonly Tool[], path?: string): Tool[] {
  return need.filter((tool) => tool !== "nats-server" && findPrograms(tool, path).length === 0);
}

export function missingToolsError(missing: readonly Tool[], apt: boolean): CbError {
  const lines = missing.map((tool) => `  ${tool}: ${TOOLS[tool].why}`);
  const names = packagesOf(missing).join(" ");
  const command = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names}`;
  return new CbError("config", `missing on this machine:\n${lines.join("\n")}`, {
    hint: apt ? command : `install what brings them; in Debian the packages are ${names}`,
  });
}

function packagesOf(tools: readonly Tool[]): string[] {
  return [...new Set(tools.map((tool) => TOOLS[tool].package))];
}
