/** The files that the local stack's builders start from. They are created when they are missing. */
import { machine } from "node:os";
import { join } from "node:path";
import { folders } from "../../lib/config/folders.ts";
import { ensureDiskImage } from "../../lib/provider/qemu/disk.ts";
import type { MakingProgress } from "../../lib/provider/sandbox/make-once.ts";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";
import { runCommand } from "../tools/setup/run-command.ts";

/** Absolute paths. */
export type LocalBuilders =
  | {
      readonly kind: "sandbox";
      readonly rootfs: string;
      readonly agentDir: string;
      /** The other architectures that sandboxes on this machine can build for. */
      readonly emulated: readonly string[];
    }
  | { readonly kind: "qemu"; readonly rootfs: string; readonly disk: string };

export type BuilderKind = LocalBuilders["kind"];

interface Preparation {
  /** The folder with the agent's bundle. */
  readonly agentDir: string;
  readonly notify: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Throws CbError as ensureRootfs and ensureDiskImage do. */
export async function prepareBuilders(kind: BuilderKind, options: Preparation): Promise<LocalBuilders> {
  const { agentDir, notify, signal } = options;
  const cacheDir = folders().cache;
  const creating = (product: string) => ({ cacheDir, onProgress: progress(`Making ${product}, once`, notify), signal });
  if (kind === "sandbox") {
    const rootfs = await ensureRootfs(creating("the builder's root file system"));
    return { kind, rootfs, agentDir, emulated: await emulatedArchitectures() };
  }
  const agentFile = join(agentDir, "agent.mjs");
  const disk = await ensureDiskImage({ ...creating("the builder's disk image"), agentFile });
  const rootfs = await ensureRootfs({ ...creating("the root file system that runs it"), purpose: "machine" });
  return { kind, rootfs, disk };
}

/** Prints one line a phase, on a terminal and into a log alike. */
function progress(title: string, notify: (line: string) => void): (progress: MakingProgress) => void {
  let printed = "";
  return ({ phase, percent, elapsedMs }) => {
    if (phase === printed) return;
    printed = phase;
    notify(`${title}: ${percent}% after ${Math.round(elapsedMs / 1000)} s, ${phase}`);
  };
}

/** The builder's root file system brings qemu for these (infra/image). */
const ARCHITECTURES = ["aarch64", "ppc64le"];

/** The mount fails unless the kernel gives a user namespace a binfmt_misc of its own, as Linux 6.7 and newer may. */
const MOUNT_BINFMT = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "binfmt_misc"] as const;

/** The architectures that a sandbox can emulate; empty when the kernel does not allow it. */
async function emulatedArchitectures(): Promise<string[]> {
  const { code } = await runCommand([...MOUNT_BINFMT, "binfmt_misc", "/proc/sys/fs/binfmt_misc"]);
  return code === 0 ? ARCHITECTURES.filter((arch) => arch !== machine()) : [];
}
