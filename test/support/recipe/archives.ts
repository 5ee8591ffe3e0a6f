/** Packs contexts into memory, and lists the running tar processes. */
import { execFileSync } from "node:child_process";
import type { Context } from "../../../lib/recipe/context/find.ts";
import { packContext } from "../../../lib/recipe/context/pack.ts";

export async function* archivePieces(...texts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

export async function archiveOf(context: Context): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packContext(context)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Process ids of the tar processes that this process has started and that still run. */
export function childTars(): string[] {
  const listed = execFileSync("ps", ["--ppid", String(process.pid), "-o", "pid=,comm="], { encoding: "utf8" });
  return listed.split("\n").flatMap((line) => (/^\s*(\d+) tar$/.exec(line) ?? []).slice(1));
}
