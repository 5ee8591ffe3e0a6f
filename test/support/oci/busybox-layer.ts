/** The smallest layer in which a build can run commands: a static busybox with its commands, the user root, and a test file. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { testRootfs } from "../rootfs.ts";

const COMMANDS = [
  "sh",
  "cat",
  "echo",
  "id",
  "ls",
  "mkdir",
  "pwd",
  "sleep",
  "stty",
  "touch",
  "tr",
  "true",
  "false",
  "uname",
];

/**
 * A tar archive of files owned by root, with "from the registry" in `/etc/base`. `busybox`: path of the binary; default: the one in
 * the builder's root file system.
 */
export async function busyboxLayer(busybox?: string): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "cb-layer-"));
  try {
    for (const name of ["bin", "etc", "root", "proc", "sys", "dev"]) mkdirSync(join(folder, name));
    mkdirSync(join(folder, "tmp"), { mode: 0o777 });
    await copyFile(busybox ?? join(await testRootfs(), "usr/bin/busybox"), join(folder, "bin/busybox"));
    for (const name of COMMANDS) symlinkSync("busybox", join(folder, "bin", name));
    writeFileSync(join(folder, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n");
    writeFileSync(join(folder, "etc/group"), "root:x:0:\nguest:x:1000:\n");
    writeFileSync(join(folder, "etc/base"), "from the registry\n");
    const options = ["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX", "-C", folder, "-c", "."];
    const { stdout } = await promisify(execFile)("tar", options, { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
