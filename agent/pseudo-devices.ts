/**
 * Lets apptainer bootstrap from RPM packages where no process may make device files. apptainer (1.4.5) first makes /dev/null and three
 * like it in the new root file system, and ends when the kernel refuses, as it does in every user namespace. An image does not need
 * them, because apptainer mounts the host's /dev when it runs. So these calls are told that they succeeded, as `apptainer build
 * --fakeroot` does with every mknod; here only calls that ask for one of these four devices are.
 */
import { readFileSync } from "node:fs";
import type { Recipe } from "../lib/protocol/build-messages.ts";

/** The agents of apptainer that install RPM packages with dnf. */
const FROM_PACKAGES = /^[ \t]*bootstrap:[ \t]*(?:yum|dnf)\b/im;

/** The map of the initial namespace, which has the right (user_namespaces(7)): all ids, to themselves. */
const ALL_IDS = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * Program and arguments that start apptainer for this recipe. Empty: it needs none, as on a virtual machine. `uidMap`: this
 * process's. Throws the errors of reading it.
 */
export function deviceFilterFor(
  { backend, text }: Recipe,
  uidMap = readFileSync("/proc/self/uid_map", "utf8"),
): readonly string[] {
  const isNeeded = backend === "singularity" && FROM_PACKAGES.test(text) && !ALL_IDS.test(uidMap);
  return isNeeded ? ["perl", "-e", FILTER] : [];
}

/**
 * Loads a seccomp filter as scripts/no-keys.pl of the sandbox does, and then runs the program in its arguments. The positions of an
 * argument of a call in struct seccomp_data: 16 bytes, and 8 for each argument before it, the low half first.
 */
const FILTER = String.raw`
use strict;
use POSIX ();
# Call numbers of mknod, mknodat and prctl, and AUDIT_ARCH_*, of this machine. Programs of other architectures are not concerned.
my $machine = (POSIX::uname())[4];
my $numbers = {
  x86_64 => [0xc000003e, 133, 259, 157],
  aarch64 => [0xc00000b7, undef, 33, 167],
  ppc64le => [0xc0000015, 14, 288, 171],
}->{$machine} or die "no device filter for $machine\n";
my ($architecture, $mknod, $mknodat, $prctl) = @$numbers;

sub load { pack "SCCL", 0x20, 0, 0, $_[0] }
sub unless_equal { pack "SCCL", 0x15, 0, $_[1], $_[0] }
sub succeed { pack "SCCL", 0x06, 0, 0, 0x00050000 }
sub allow { pack "SCCL", 0x06, 0, 0, 0x7fff0000 }
sub within { my ($value, $body) = @_; unless_equal($value, length($body) / 8) . $body }

# A character device of mode 0666 (S_IFCHR is 0020000) with major number 1: null 3, zero 5, random 8, urandom 9.
sub devices { my ($mode, $device) = map { 16 + 8 * $_ } @_;
  load($mode) . within(0020666, load($device) . join("", map { within(0x100 | $_, succeed()) } 3, 5, 8, 9) . allow()) . allow() }
my $calls = load(0) . (defined $mknod ? within($mknod, devices(1, 2)) : "") . within($mknodat, devices(2, 3));
my $filter = load(4) . within($architecture, $calls) . allow();
my $program = pack "Sx![P]P", length($filter) / 8, $filter;
syscall($prctl, 22, 2, $program, 0, 0) == 0 or die "the device filter could not be loaded: $!\n";
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
`;
