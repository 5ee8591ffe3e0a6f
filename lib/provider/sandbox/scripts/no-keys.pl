# Runs a command without the kernel's key calls: perl -e TEXT COMMAND ARG...
#
# All sandboxes of a host are one kernel user, and the kernel keeps keys and their quota for each user. Without this filter a build
# could read the names of another's keys and use up the quota of all. The calls fail with ENOSYS, as in a kernel without keys.
# No program of the root file system loads a seccomp filter from a description, so perl, which is always there, loads this one.
use strict;
use POSIX ();

# inner.sh has moved standard error to descriptor 3.
sub fail { open my $errors, ">&=", 3; print $errors "sandbox: @_\n"; exit 1 }

# Call numbers of add_key, request_key and keyctl by AUDIT_ARCH_* value (Linux: include/uapi/linux/audit.h and syscall tables).
my %calls = (
  0xc000003e => [248, 249, 250, map { 0x40000000 | $_ } 248, 249, 250], # x86_64, and x32 programs on it
  0x40000003 => [286, 287, 288],                                       # i386
  0xc00000b7 => [219, 218, 217],                                       # aarch64
  0x40000028 => [309, 310, 311],                                       # arm
  0xc0000015 => [269, 270, 271],                                       # ppc64le
);

# Instructions of classic BPF on struct seccomp_data, in which the call number is at offset 0 and the architecture at 4.
sub load { pack "SCCL", 0x20, 0, 0, $_[0] }
sub unless_equal { pack "SCCL", 0x15, 0, $_[1], $_[0] }
sub deny { pack "SCCL", 0x06, 0, 0, 0x00050000 | 38 }
sub allow { pack "SCCL", 0x06, 0, 0, 0x7fff0000 }

my $filter = load(4);
for my $architecture (sort keys %calls) {
  my $body = load(0) . join("", map { unless_equal($_, 1) . deny() } @{$calls{$architecture}}) . allow();
  $filter .= unless_equal($architecture, length($body) / 8) . $body;
}
# Calls of an unknown architecture are all denied.
$filter .= deny();

# prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct sock_fprog). Root of the namespace needs no PR_SET_NO_NEW_PRIVS, which would
# break setuid programs inside.
my $machine = (POSIX::uname())[4];
my $prctl = {x86_64 => 157, aarch64 => 167, ppc64le => 171}->{$machine} or fail "no seccomp filter for $machine";
my $program = pack "Sx![P]P", length($filter) / 8, $filter;
syscall($prctl, 22, 2, $program, 0, 0) == 0 or fail "the seccomp filter could not be loaded: $!";
exec { $ARGV[0] } @ARGV or fail "$ARGV[0]: $!";
