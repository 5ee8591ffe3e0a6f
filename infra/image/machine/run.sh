# The first program in the sandbox of a machine: run.sh CORES MEMORY_MIB DISK_GIB ACCELERATION, the last of it auto, kvm or
# tcg. It becomes QEMU, whose console is its output, and the sandbox ends with the machine.
# Environment: CB_OPENED, "kvm=N", the descriptor of /dev/kvm, or "kvm=absent" or "kvm=closed".
#
# QEMU is nobody on the host, and its user network ends in the sandbox's, which lets out NATS and the outside alone.
set -euo pipefail
cores=$1 memory=$2 disk=$3 acceleration=$4
cd /run

# A device that opens proves nothing: in a virtual machine without nested virtualisation it opens, and no guest runs, or none
# with the processor that the machine is to have. This guest is a boot sector that writes 16 to a port at which QEMU ends,
# with twice that and one.
runs_guests() {
  printf '\272\001\005\260\020\356\364%503s\125\252' '' >probe
  local code=0
  timeout 20 qemu-system-x86_64 "$@" -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0x501,iosize=1 \
    -drive if=ide,format=raw,file=probe 2>/dev/null || code=$?
  rm probe
  [ "$code" -eq 33 ]
}

# Opened by the launcher: root in here is in no group that may.
kvm=${CB_OPENED-kvm=none} kvm=${kvm#kvm=}
by_kvm=(-add-fd "fd=$kvm,set=1" -accel kvm,device=/dev/fdset/1 -cpu host)
# What its translations may take of the host's memory, in MiB, beside the machine's own; QEMU's default is 1024. The
# newest processor that the emulator knows.
by_emulation=(-accel tcg,thread=multi,tb-size=256 -cpu max)

case $kvm in
  *[!0-9]*) ;;
  *) runs_guests "${by_kvm[@]}" || kvm=idle ;;
esac
case $kvm in
  none) why="" ;;
  absent) why="this host has no /dev/kvm" ;;
  closed) why="whoever runs the queue may not open /dev/kvm" ;;
  idle) why="KVM runs no guest here" ;;
  *) why="" acceleration=kvm ;;
esac
case $acceleration in
  kvm)
    [ -z "$why" ] || { echo "machine: $why; acceleration: auto takes emulation then" >&2; exit 1; }
    accelerated=("${by_kvm[@]}")
    ;;
  *) acceleration=tcg accelerated=("${by_emulation[@]}") ;;
esac
echo "machine: $cores cores, $memory MiB, a disk of $disk GiB, by $acceleration${why:+, since $why}"

# As nova lays it out. The user data is secret: it stays in memory.
mkdir -p drive/openstack/latest
cp container-builder/user-data drive/openstack/latest/user_data
printf '{"name": "%s", "hostname": "%s"}\n' "$(hostname)" "$(hostname)" >drive/openstack/latest/meta_data.json
genisoimage -quiet -V config-2 -J -r -o drive.iso drive
rm -r drive
qemu-img create -q -f qcow2 -b /opt/container-builder/disk.raw -F raw /root/disk.qcow2 "${disk}G"

# When the host's disk is full, the machine is told of it; by itself QEMU would let it stand still.
exec qemu-system-x86_64 -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny \
  -machine q35 "${accelerated[@]}" -smp "$cores" -m "$memory" -no-reboot \
  -nodefaults -display none -serial stdio \
  -drive if=virtio,format=qcow2,file=/root/disk.qcow2,cache=unsafe,discard=unmap,werror=report,rerror=report \
  -drive if=ide,media=cdrom,format=raw,readonly=on,file=drive.iso \
  -nic user,model=virtio-net-pci,net=10.0.3.0/24,ipv6=off \
  -device virtio-rng-pci
