/** The rights that a sandbox needs: root mends what it can, and everybody is told what is missing and how to mend it. */
import { CbError } from "../../lib/core/errors.ts";
import { missingPrerequisites } from "../../lib/provider/sandbox/prerequisites.ts";
import { addSubordinateIds } from "../../lib/provider/sandbox/subordinate-ids.ts";

/** Throws CbError "config" naming each missing right, why it is needed, and the command that mends it. */
export async function ensureRights(stateDir: string, say: (line: string) => void): Promise<void> {
  if (process.getuid?.() === 0) for (const added of await addSubordinateIds()) say(`Added a line to ${added}`);
  const missing = await missingPrerequisites({ stateDir });
  if (missing.length === 0) return;
  const lines = missing.map(
    ({ requirement, reason, remedy, needsRoot }) =>
      `  ${requirement}: ${reason}\n    ${needsRoot ? "sudo " : ""}${remedy}`,
  );
  throw new CbError("config", `sandboxes cannot be made on this machine; it lacks\n${lines.join("\n")}`);
}
