# The command of a sandbox that runs a machine: run.sh CORES MEMORY_MIB DISK_GIB ACCELERATION, where ACCELERATION is auto, kvm or
# tcg. It replaces itself by QEMU, which prints the machine's console, and the sandbox ends with the machine.
# Environment: CB_OPENED is "kvm=N" with the descriptor of /dev/kvm, or "kvm=absent" or "kvm=closed".
#
# QEMU runs under a subordinate id of the host. Its user network is inside the network of the sandbox. Its egress filter allows
# NATS and the outside only.
set -euo pipefail
cores=$1 memory=$2 disk=$3 acceleration=$4
cd /run

# Checks that a guest runs with these options of QEMU. That /dev/kvm opens does not prove it: in a virtual machine without nested
# virtualisation the device opens, but no guest runs, or none with the processor of the machine. The guest of this check is a
# boot sector that writes 16 to the isa-debug-exit port, at which QEMU exits with twice the value plus one: 33.
runs_guests() {
  printf '\272\001\005\260\020\356\364%503s\125\252' '' >probe
  local code=0
  timeout 20 qemu-system-x86_64 "$@" -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0x501,iosize=1 \
    -drive if=ide,format=raw,file=probe 2>/dev/null || code=$?
  rm probe
  [ "$code" -eq 33 ]
}

# launch.sh has opened the device, because root of the sandbox is in no group that may open it.
kvm=${CB_OPENED-kvm=none} kvm=${kvm#kvm=}
by_kvm=(-add-fd "fd=$kvm,set=1" -accel kvm,device=/dev/fdset/1 -cpu host)
# tb-size limits the memory for translated code, in MiB, beside the machine's own memory; QEMU's default is 1024. `-cpu max` is the
# newest processor that the emulator supports.
by_emulation=(-accel tcg,thread=multi,tb-size=256 -cpu max)

case $kvm in
  *[!0-9]*) ;;
  *) runs_guests "${by_kvm[@]}" || kvm=idle ;;
esac
case $kvm in
  none) reason="" ;;
  absent) reason="this host has no /dev/kvm" ;;
  closed) reason="the user who runs the queue may not open /dev/kvm" ;;
  idle) reason="KVM runs no guest here" ;;
  *) reason="" acceleration=kvm ;;
esac
case $acceleration in
  kvm)
    [ -z "$reason" ] || { echo "machine: $reason; acceleration: auto would use emulation" >&2; exit 1; }
    accelerated=("${by_kvm[@]}")
    ;;
  *) acceleration=tcg accelerated=("${by_emulation[@]}") ;;
esac
echo "machine: $cores cores, $memory MiB, a disk of $disk GiB, by $acceleration${reason:+, since $reason}"

# Make a config drive with the layout of nova. The user data is secret, so the drive is in memory (/run is a tmpfs).
mkdir -p drive/openstack/latest
cp container-builder/user-data drive/openstack/latest/user_data
printf '{"name": "%s", "hostname": "%s"}\n' "$(hostname)" "$(hostname)" >drive/openstack/latest/meta_data.json
genisoimage -quiet -V config-2 -J -r -o drive.iso drive
rm -r drive
qemu-img create -q -f qcow2 -b /opt/container-builder/disk.raw -F raw /root/disk.qcow2 "${disk}G"

# werror and rerror pass an error of the host's disk to the machine. By default QEMU would pause the machine when the disk is full.
exec qemu-system-x86_64 -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny \
  -machine q35 "${accelerated[@]}" -smp "$cores" -m "$memory" -no-reboot \
  -nodefaults -display none -serial stdio \
  -drive if=virtio,format=qcow2,file=/root/disk.qcow2,cache=unsafe,discard=unmap,werror=report,rerror=report \
  -drive if=ide,media=cdrom,format=raw,readonly=on,file=drive.iso \
  -nic user,model=virtio-net-pci,net=10.0.3.0/24,ipv6=off \
  -device virtio-rng-pci
