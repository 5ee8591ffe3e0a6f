/** Starts a builder's disk image with plain QEMU and returns its console output. */
import { execFile, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** An agent that runs the user data as a shell script. */
export const SHELL_AGENT = "#!/bin/bash\nexec bash /run/container-builder/user-data\n";

/** The disk buses by their name in glance's `hw_disk_bus`: "virtio", or "scsi" with `hw_scsi_model=virtio-scsi`. */
const BUSES = {
  virtio: { drive: "if=virtio", devices: [] },
  scsi: { drive: "if=none,id=root", devices: ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=root"] },
} as const;

export interface PlainMachineOptions {
  /** Path that ensureDiskImage returned. */
  readonly disk: string;
  /** Folder for the overlay of the disk. */
  readonly folder: string;
  /** QEMU's machine type: "pc" or "q35". */
  readonly board: string;
  /** The bus that the disk is attached to. */
  readonly bus: keyof typeof BUSES;
  /** Further options of QEMU. */
  readonly extra: readonly string[];
  readonly signal: AbortSignal;
}

/** Resolves with the console output when the machine is off. Rejects with the reason of `signal`, which kills QEMU. */
export async function runMachine({ disk, folder, board, bus, extra, signal }: PlainMachineOptions): Promise<string> {
  const overlay = join(folder, `${board}.qcow2`);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay, "4G"]);
  const machine = ["-machine", board, "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-no-reboot"];
  const plain = ["-nodefaults", "-display", "none", "-serial", "stdio"];
  const drive = ["-drive", `file=${overlay},format=qcow2,cache=unsafe,${BUSES[bus].drive}`, ...BUSES[bus].devices];
  const child = spawn("qemu-system-x86_64", [...machine, ...plain, ...drive, ...extra], {
    stdio: ["ignore", "pipe", "inherit"],
    signal,
  });
  let printed = "";
  for await (const chunk of child.stdout) printed += String(chunk);
  signal.throwIfAborted();
  return printed;
}

/** Makes a config drive with nova's layout and returns its path. `files` are the files of openstack/latest. */
export async function configDrive(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  const latest = join(folder, "drive", "openstack", "latest");
  await mkdir(latest, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(latest, name), text);
  const iso = join(folder, "drive.iso");
  await run("genisoimage", ["-quiet", "-V", "config-2", "-J", "-r", "-o", iso, join(folder, "drive")]);
  return iso;
}
