/** The build's output on our standard output. */
import { once } from "node:events";

let readerGone = false;
process.stdout.on("error", () => {
  // Whoever read the output has left, as `| head` does, or its disk is full: the image is still wanted.
  readerGone = true;
});

/** A slow reader slows the build, and nothing piles up here. */
export async function writeOutput(bytes: Uint8Array): Promise<void> {
  if (readerGone || process.stdout.write(bytes)) return;
  // Rejects, and tidies up, when the stream fails; the handler above knows what that means.
  await once(process.stdout, "drain").catch(() => undefined);
}
