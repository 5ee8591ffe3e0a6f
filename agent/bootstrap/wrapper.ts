/**
 * The program that a build finds as `debootstrap`: for the arguments of a packed tree it unpacks that, and for all others, and when
 * that fails, it runs debootstrap. apptainer has no hook for this, and takes debootstrap from PATH.
 */
import type { BootstrapTree } from "../../lib/protocol/builder-messages.ts";

export interface WrapperOptions {
  readonly tree: BootstrapTree;
  /** The file with the tree. */
  readonly path: string;
  /** The position of the squashfs in it, in bytes. */
  readonly offset: number;
  /** The program that runs otherwise. */
  readonly debootstrap: string;
  /** Of the builder, as Debian names it: apptainer passes it on. */
  readonly arch: string;
}

/** Files that apptainer adds to each image, and so to the one that is made of the tree (1.4.5, internal/pkg/build/files). */
const OF_APPTAINER = ".singularity.d .exec .run .shell .test environment singularity";

/** unsquashfs takes 256 MiB for each of these two by default, more than a sandbox may have. */
const QUEUE_MIB = 32;

/**
 * The text of the program. In a sandbox apptainer mounts devices on files of /dev before it calls debootstrap: the files that are there
 * are kept, and clearing leaves /dev as it is. The arguments are those of apptainer 1.4.5 (conveyorPacker_debootstrap.go), which adds apt to
 * `Include`.
 */
export function bootstrapWrapper({ tree, path, offset, debootstrap, arch }: WrapperOptions): string {
  const { suite, mirror, include, madeAtMs } = tree;
  const madeAt = new Date(madeAtMs).toISOString().slice(11, 16);
  return `#!/bin/sh
tree=${quoted(path)}
restore() {
  present=$(cd "$1" && find . -mindepth 1 ! -type d -printf '%P\\n')
  unsquashfs -quiet -no-progress -force -da ${QUEUE_MIB} -fr ${QUEUE_MIB} -offset ${offset} -dest "$1" -excludes "$tree" $present >/dev/null 2>&1 &&
    (cd "$1" && rm -rf ${OF_APPTAINER})
}
if [ $# = 7 ] && [ -f "$tree" ] && [ "$1" = --variant=minbase ] && [ "$2" = --exclude=openssl,udev,debconf-i18n,e2fsprogs ] &&
  [ "$3" = ${quoted(`--include=apt,${include}`)} ] && [ "$4" = ${quoted(`--arch=${arch}`)} ] &&
  [ "$5" = ${quoted(suite)} ] && [ "$7" = ${quoted(mirror)} ]
then
  if restore "$6"; then
    rm -f "$tree"
    echo 'container-builder: using the packed Debian ${suite} tree of ${madeAt} UTC'
    exit 0
  fi
  find "$6" -mindepth 1 ! -path "$6/dev" ! -path "$6/dev/*" -delete
fi
exec ${quoted(debootstrap)} "$@"
`;
}

/** One word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
