/** What the local stack's builders are made of, made first where it is not there. */
import { join } from "node:path";
import { folders } from "../../lib/config/folders.ts";
import { ensureDiskImage } from "../../lib/provider/qemu/disk.ts";
import type { MakingProgress } from "../../lib/provider/sandbox/make-once.ts";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";
import { emulatedArchitectures } from "./emulation.ts";

/** Absolute paths. */
export type Builders =
  | {
      readonly kind: "sandbox";
      readonly rootfs: string;
      readonly agentDir: string;
      /** Architectures beside this machine's own that its sandboxes can build for. */
      readonly emulated: readonly string[];
    }
  | { readonly kind: "qemu"; readonly rootfs: string; readonly disk: string };

export type BuilderKind = Builders["kind"];

interface Making {
  /** The folder with the agent's bundle. */
  readonly agentDir: string;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Throws CbError as ensureRootfs and ensureDiskImage do. */
export async function prepareBuilders(kind: BuilderKind, { agentDir, say, signal }: Making): Promise<Builders> {
  const cacheDir = folders().cache;
  const making = (what: string) => ({ cacheDir, onProgress: progress(`Making ${what}, once`, say), signal });
  if (kind === "sandbox") {
    const rootfs = await ensureRootfs(making("the builder's root file system"));
    return { kind, rootfs, agentDir, emulated: await emulatedArchitectures() };
  }
  const agentFile = join(agentDir, "agent.mjs");
  const disk = await ensureDiskImage({ ...making("the builder's disk image"), agentFile });
  const rootfs = await ensureRootfs({ ...making("what runs it"), purpose: "machine" });
  return { kind, rootfs, disk };
}

/** Each phase once: on a terminal and in a log alike a line says enough. */
function progress(what: string, say: (line: string) => void): (progress: MakingProgress) => void {
  let said = "";
  return ({ phase, percent, elapsedMs }) => {
    if (phase === said) return;
    said = phase;
    say(`${what}: ${percent}% after ${Math.round(elapsedMs / 1000)} s, ${phase}`);
  };
}
