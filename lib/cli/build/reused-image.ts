/** The older image of --reuse. A call never fails because of it: the first call of a CI job may have none yet. */
import { messageOf } from "../../core/errors.ts";
import { OldFile } from "../../transfer/delta/old-file.ts";
import type { Steps } from "../terminal.ts";
import { STANDARD_OUTPUT } from "./output-options.ts";

/** Undefined without the option, and after a note when nothing can be copied from that file. The caller closes it. */
export async function openReused(
  path: string | undefined,
  { steps, imagePath }: { readonly steps: Steps; readonly imagePath: string },
): Promise<OldFile | undefined> {
  if (path === undefined) return undefined;
  try {
    if (imagePath !== STANDARD_OUTPUT) return await OldFile.open(path);
    steps.print("note: --reuse has no effect on an image that is written to standard output");
  } catch (error) {
    steps.print(`note: --reuse has no effect: ${messageOf(error)}`);
  }
  return undefined;
}
