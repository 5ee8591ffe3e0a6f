/**
 * Images for other machines than the builder: qemu runs their programs, and the kernel starts qemu for them (binfmt_misc), in
 * every chroot and namespace of the build. Nothing of it shows in the image.
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { machine } from "node:os";
import { promisify } from "node:util";
import { CbError, messageOf } from "../lib/core/errors.ts";

/** The names of one architecture. */
export interface EmulatedArchitecture {
  /** As `uname -m` says it, and qemu with it. */
  readonly name: string;
  /** As registries, apptainer and buildah have it. */
  readonly oci: string;
  readonly debian: string;
}

/** Those whose qemu the builder image has (infra/image). */
const EMULATED: readonly EmulatedArchitecture[] = [
  { name: "aarch64", oci: "arm64", debian: "arm64" },
  { name: "ppc64le", oci: "ppc64le", debian: "ppc64el" },
];

/** Where the kernel takes registrations. Each user namespace has its own from Linux 6.7 on; before, only the first has any. */
const BINFMT = "/proc/sys/fs/binfmt_misc";

/** Undefined when the builder is such a machine itself. Throws CbError "infrastructure" for one that cannot be emulated. */
export function emulatedArchitecture(arch: string | undefined, own = machine()): EmulatedArchitecture | undefined {
  if (arch === undefined || arch === own) return undefined;
  const found = EMULATED.find(({ name }) => name === arch);
  if (found !== undefined) return found;
  const there = [own, ...EMULATED.map(({ name }) => name)].join(", ");
  throw new CbError("infrastructure", `this builder runs no programs of ${arch}, only of ${there}`);
}

/** From now on the kernel runs such programs. Throws CbError "infrastructure" where it does not allow that. */
export async function registerEmulator({ name }: EmulatedArchitecture): Promise<void> {
  try {
    // The line that systemd would read: what such programs begin with, and their interpreter, opened now (flag F), since
    // no chroot has it.
    const line = (await readFile(`/usr/share/qemu/binfmt.d/qemu-${name}.conf`, "latin1")).trim();
    await promisify(execFile)("mount", ["-t", "binfmt_misc", "binfmt_misc", BINFMT]);
    await writeFile(`${BINFMT}/register`, line, "latin1");
  } catch (cause) {
    throw new CbError("infrastructure", `programs of ${name} cannot be run on this builder: ${messageOf(cause)}`, {
      hint: "in a sandbox that needs Linux 6.7 or newer",
      cause,
    });
  }
}

/** apptainer (1.4.5) has debootstrap make what the builder itself is, whatever its --arch says; this says it once more. */
export function debootstrapFor({ debian }: EmulatedArchitecture): string {
  return `#!/bin/sh
for word do
  shift
  case $word in --arch=*) word=--arch=${debian} ;; esac
  set -- "$@" "$word"
done
exec /usr/sbin/debootstrap "$@"
`;
}
