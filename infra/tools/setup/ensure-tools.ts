/** Installs the programs that a command needs, or names the command that installs them. */
import { CbError } from "../../../lib/core/errors.ts";
import { aptInstall, hasApt } from "./apt.ts";
import { findPrograms } from "./find-program.ts";
import { natsServerPath } from "./nats-server.ts";
import { TOOLS, type Tool } from "./packages.ts";
import { withProgress } from "./run-command.ts";

export interface EnsureOptions {
  readonly need: readonly Tool[];
  /** Called with a line for each step and its duration. Not called when nothing is missing. */
  readonly onStep: (line: string) => void;
}

/**
 * Returns when every tool is installed. Root installs missing tools with apt-get; any user fetches nats-server into the cache
 * folder. Throws CbError "config" with each missing tool, its purpose and the command that installs it, if this user is not root
 * or the system has no apt; "infrastructure" if apt-get fails.
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

/** The missing tools that only root can install. */
export function missingTools(need: readonly Tool[], path?: string): Tool[] {
  return need.filter((tool) => tool !== "nats-server" && findPrograms(tool, path).length === 0);
}

export function missingToolsError(missing: readonly Tool[], apt: boolean): CbError {
  const lines = missing.map((tool) => `  ${tool}: ${TOOLS[tool].purpose}`);
  const names = packagesOf(missing).join(" ");
  const command = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names}`;
  return new CbError("config", `missing on this machine:\n${lines.join("\n")}`, {
    hint: apt ? command : `install these programs; in Debian the packages are ${names}`,
  });
}

function packagesOf(tools: readonly Tool[]): string[] {
  return [...new Set(tools.map((tool) => TOOLS[tool].package))];
}
