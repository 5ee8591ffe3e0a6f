import type { Want } from "../recipe/want.ts";
export interface Context {
  directory: string;
  files: number;
  bytes: number;
  maxArchiveBytes: number;
  highestId: number;
  notes: string[];
}
export async function findContext(
  _o: { directory: string; wants: readonly Want[]; whole: boolean },
  _s: AbortSignal,
): Promise<Context | undefined> {
  return undefined;
}
export async function* packContext(_c: Context, _o: { signal: AbortSignal }): AsyncGenerator<Uint8Array> {}
