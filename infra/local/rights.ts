/** The rights that a sandbox needs: root mends what it can, and everybody is told what is missing and how to mend it. */
import { CbError } from "../../lib/errors.ts";
import { addSubordinateIds, missingPrerequisites } from "../../lib/provider/sandbox/prerequisites.ts";

/** Throws CbError "config" naming each missing right, why it is needed, and the command that mends it. */
export async function ensureRights(say: (line: string) => void): Promise<void> {
  if (process.getuid?.() === 0 && (await addSubordinateIds()))
    say("Gave root subordinate user ids, in /etc/subuid and /etc/subgid");
  const missing = await missingPrerequisites();
  if (missing.length === 0) return;
  const lines = missing.map(({ what, why, mend }) => `  ${what}: ${why}\n    ${mend}`);
  throw new CbError("config", `sandboxes cannot be made on this machine:\n${lines.join("\n")}`);
}
