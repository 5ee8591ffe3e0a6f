/**
 * Packs a directory and unpacks it into a folder, in a process of its own, so that a test can measure its memory: `context-child
 * DIRECTORY ROOT`.
 */
import { readFileSync } from "node:fs";
import { findContext } from "../../../lib/recipe/context/find.ts";
import { packContext } from "../../../lib/recipe/context/pack.ts";
import { unpackContext } from "../../../lib/recipe/context/unpack.ts";

const [directory = "", root = ""] = process.argv.slice(2);
const begin = performance.now();
const context = await findContext({ directory, backend: "singularity", inputs: [], whole: true });
if (context === undefined) throw new Error("findContext() returned no context");
const found = performance.now();
let bytes = 0;
async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    bytes += chunk.length;
    yield chunk;
  }
}
await unpackContext(counted(packContext(context)), { root, highestId: context.highestId });
const peakKib = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
const { files, maxArchiveBytes } = context;
const [findMs, sendMs] = [found - begin, performance.now() - found];
console.log(JSON.stringify({ peakKib, bytes, files, maxArchiveBytes, findMs, sendMs }));
