/** An sshd on a free port of loopback with keys of its own, which accepts only the key made here. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";

export interface Sshd {
  /** USER@ADDRESS for ssh and scp. */
  readonly host: string;
  /** Options for ssh and scp. */
  readonly options: readonly string[];
  stop(): void;
}

/** `folder` is created for the keys. Rejects when the package openssh-server is not installed. */
export async function startSshd(folder: string): Promise<Sshd> {
  mkdirSync(folder, { mode: 0o700 });
  for (const name of ["host", "user"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`]);
  execFileSync("cp", [`${folder}/user.pub`, `${folder}/authorized_keys`]);
  const [port = 0] = await freePorts(1);
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized_keys`,
    `PidFile ${folder}/sshd.pid`,
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin prohibit-password",
    "Subsystem sftp internal-sftp",
  ];
  writeFileSync(`${folder}/sshd_config`, `${config.join("\n")}\n`);
  // sshd requires this folder, which an init system creates; a container has none.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const server: ChildProcess = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", `${folder}/sshd_config`], {
    stdio: "ignore",
  });
  await once(server, "spawn");
  await until("sshd accepts connections", () => accepts(port));
  const settings = [
    `Port=${port}`,
    `IdentityFile=${folder}/user`,
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=no",
    `UserKnownHostsFile=${folder}/known`,
    "LogLevel=ERROR",
  ];
  return {
    host: `${userInfo().username}@127.0.0.1`,
    options: settings.flatMap((setting) => ["-o", setting]),
    stop: () => void server.kill(),
  };
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
