/** Whether sandboxes here can run programs of other architectures, and which. */
import { machine } from "node:os";
import { runCommand } from "../tools/setup/run-command.ts";

/** Those whose qemu the builders have (infra/image). */
const ARCHITECTURES = ["aarch64", "ppc64le"];

/** A user namespace has binfmt_misc of its own from Linux 6.7 on, if the kernel has it at all: tried, not looked up. */
const TRY = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "binfmt_misc"] as const;

/** Empty where the kernel does not allow it. */
export async function emulatedArchitectures(): Promise<string[]> {
  const { code } = await runCommand([...TRY, "binfmt_misc", "/proc/sys/fs/binfmt_misc"]);
  return code === 0 ? ARCHITECTURES.filter((arch) => arch !== machine()) : [];
}
