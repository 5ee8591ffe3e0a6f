/**
 * Builds images for another architecture than the builder's. The kernel starts qemu for each program of that
 * architecture (binfmt_misc), in every chroot and namespace of the build. The image contains nothing of qemu.
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { machine } from "node:os";
import { promisify } from "node:util";
import { CbError, messageOf } from "../lib/core/errors.ts";

/** The names of an architecture that qemu emulates. */
export interface EmulatedArchitecture {
  /** Of `uname -m` and of qemu. */
  readonly name: string;
  /** Of registries, apptainer and buildah. */
  readonly oci: string;
  /** Of Debian's package architectures. */
  readonly debian: string;
}

/** The architectures with a qemu in the builder image (infra/image). */
const EMULATED: readonly EmulatedArchitecture[] = [
  { name: "aarch64", oci: "arm64", debian: "arm64" },
  { name: "ppc64le", oci: "ppc64le", debian: "ppc64el" },
];

/**
 * The kernel's registration interface. From Linux 6.7 on, each user namespace has its own; before, only the initial one
 * has it.
 */
const BINFMT = "/proc/sys/fs/binfmt_misc";

/**
 * Undefined when `arch` is the builder's own. Throws CbError "infrastructure" for an architecture without a qemu in the
 * image.
 */
export function emulatedArchitecture(arch: string | undefined, own = machine()): EmulatedArchitecture | undefined {
  if (arch === undefined || arch === own) return undefined;
  const found = EMULATED.find(({ name }) => name === arch);
  if (found !== undefined) return found;
  const supported = [own, ...EMULATED.map(({ name }) => name)].join(", ");
  throw new CbError("infrastructure", `this builder cannot build for ${arch}, only for ${supported}`);
}

/**
 * Registers qemu with the kernel for programs of the architecture. Throws CbError "infrastructure" when the kernel
 * refuses.
 */
export async function registerEmulator({ name }: EmulatedArchitecture): Promise<void> {
  try {
    // The line that systemd would read: the magic bytes of such programs, and their interpreter. The kernel opens the
    // interpreter now (flag F), because no chroot contains it.
    const line = (await readFile(`/usr/share/qemu/binfmt.d/qemu-${name}.conf`, "latin1")).trim();
    await promisify(execFile)("mount", ["-t", "binfmt_misc", "binfmt_misc", BINFMT]);
    await writeFile(`${BINFMT}/register`, line, "latin1");
  } catch (cause) {
    throw new CbError("infrastructure", `this builder cannot run programs for ${name}: ${messageOf(cause)}`, {
      hint: "a sandbox needs Linux 6.7 or newer on its host for that",
      cause,
    });
  }
}

/**
 * The text of wrappers for debootstrap and dnf, by name, that set the architecture: apptainer (1.4.5) always bootstraps for the
 * builder's own, whatever its --arch option is.
 */
export function wrappersFor({ name, debian }: EmulatedArchitecture): Readonly<Record<string, string>> {
  const dnf = `#!/bin/sh
exec /usr/bin/dnf --forcearch=${name} "$@"
`;
  const debootstrap = `#!/bin/sh
for word do
  shift
  case $word in --arch=*) word=--arch=${debian} ;; esac
  set -- "$@" "$word"
done
exec /usr/sbin/debootstrap "$@"
`;
  return { debootstrap, dnf };
}
