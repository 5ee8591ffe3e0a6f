/** Makes the server package of this checkout for an image of the hosts. */
import { join } from "node:path";
import { findArchitecture } from "../../package/architectures.ts";
import { normalize } from "../../package/archive.ts";
import { makeDeb } from "../../package/deb.ts";
import { sourceTime } from "../../package/source-time.ts";
import { makeTree } from "../../package/tree.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { print } from "../write-image.ts";

/**
 * Writes the package into the empty folder `work`, uncompressed, since the image takes its files only. Returns its path. The same
 * commit and downloads give the same bytes. Throws CbError as sourceTime, ensureTools, makeTree and makeDeb do.
 */
export async function makeServerPackage(root: string, work: string): Promise<string> {
  await ensureTools({ need: ["patchelf"], onStep: print });
  const epochS = await sourceTime(root, process.env);
  const [tree, file] = [join(work, "tree"), join(work, "server.deb")];
  // A host's image is made for x86_64 only.
  const arch = findArchitecture("x86_64");
  await makeTree("server", arch, tree);
  await normalize(tree, epochS);
  await makeDeb("server", arch, { tree, root: join(work, "root"), file, epochS, compressed: false });
  return file;
}
