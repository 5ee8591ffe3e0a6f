/** Ends a sandbox and removes all that was its own. */
import { join } from "node:path";
import { listFolders, markDestroying, readMetadata, removeClaimed } from "./folder.ts";

/** Resolves too if there is none. Throws CbError "infrastructure" on a folder that cannot be understood. */
export async function destroySandbox(stateDir: string, builder: string): Promise<void> {
  const folder = join(stateDir, builder);
  const metadata = await readMetadata(folder);
  if (metadata === undefined) return;
  await markDestroying(folder);
  await removeClaimed(stateDir, metadata);
}

/** Every sandbox in that folder, of whatever installation. */
export async function destroyAllSandboxes(stateDir: string): Promise<void> {
  for (const builder of await listFolders(stateDir)) await destroySandbox(stateDir, builder);
}
