/** A host's disk image under plain QEMU, as a cloud starts it: with a config drive, a data volume, and ports of this machine. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../support/free-ports.ts";

const run = promisify(execFile);

export interface HostMachine {
  /** Ports of 127.0.0.1 that lead to NATS and to ssh. */
  readonly nats: number;
  readonly ssh: number;
  readonly serial: () => Promise<string>;
  /** Presses the power button, and resolves when the machine is off. */
  readonly powerDown: () => Promise<void>;
  readonly process: ChildProcess;
}

/** Makes the disks: an overlay of the image, larger than it, and a blank volume. */
export async function makeDisks(folder: string, image: string): Promise<void> {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", join(folder, "root.qcow2"), "8G"]);
  await run("qemu-img", ["create", "-q", "-f", "raw", join(folder, "data.raw"), "1G"]);
}

/** The machine's address is that of `network_data.json`, 10.0.2.77. */
export async function startHost(folder: string, drive: string, name: string): Promise<HostMachine> {
  const [nats = 0, ssh = 0] = await freePorts(2);
  const log = join(folder, `${name}.log`);
  const disk = (file: string, format: string) => ["-drive", `file=${file},format=${format},if=virtio,cache=unsafe`];
  const child = spawn(
    "qemu-system-x86_64",
    [
      ...["-machine", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-no-reboot", "-nodefaults"],
      ...["-display", "none", "-serial", `file:${log}`, "-monitor", "stdio", "-device", "virtio-rng-pci"],
      ...disk(join(folder, "root.qcow2"), "qcow2"),
      ...disk(join(folder, "data.raw"), "raw"),
      ...["-drive", `if=ide,media=cdrom,readonly=on,format=raw,file=${drive}`],
      ...["-netdev", `user,id=n,restrict=on,${forward(nats, 4222)},${forward(ssh, 22)}`],
      ...["-device", "virtio-net-pci,netdev=n,romfile=,mac=52:54:00:12:34:56"],
    ],
    { stdio: ["pipe", "ignore", "inherit"] },
  );
  const exited = once(child, "exit");
  const powerDown = async () => {
    child.stdin?.write("system_powerdown\n");
    await exited;
  };
  return { nats, ssh, serial: () => readFile(log, "utf8"), powerDown, process: child };
}

const forward = (port: number, guest: number) => `hostfwd=tcp:127.0.0.1:${port}-10.0.2.77:${guest}`;
