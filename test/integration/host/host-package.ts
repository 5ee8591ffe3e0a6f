/** A server package for tests of the host image: it is made in a second, and its services need nothing but nats-server. */
import { execFile } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { natsServerPath } from "../../../infra/tools/setup/nats-server.ts";

const run = promisify(execFile);

/** The queue of this package prints this and fails. */
export const QUEUE_ERROR = "no cloud is described";

/** The users and the unit of NATS as the server package has them, and a queue that fails. */
export async function makePackage(folder: string): Promise<string> {
  const files: Record<string, string> = {
    "DEBIAN/control":
      "Package: container-builder-server\nVersion: 0.0.0\nArchitecture: amd64\nMaintainer: t <t@example.org>\nDescription: test\n",
    "DEBIAN/postinst": "#!/bin/sh\nset -e\nsystemd-sysusers container-builder.conf\n",
    "usr/lib/sysusers.d/container-builder.conf": "u cb-nats - -\nu cb-queue - -\n",
    "usr/lib/systemd/system/cb-nats.service": `[Service]\nUser=cb-nats\nStateDirectory=cb-nats
ExecStart=/opt/container-builder/current/lib/nats-server -c /etc/container-builder/nats-server.conf
KillSignal=SIGUSR2\n[Install]\nWantedBy=multi-user.target\n`,
    "usr/lib/systemd/system/cb-queue.service": `[Service]\nUser=cb-queue\nExecStart=/bin/sh -c "echo ${QUEUE_ERROR}; exit 78"\n[Install]\nWantedBy=multi-user.target\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), text, { mode: name.endsWith("postinst") ? 0o755 : 0o644 });
  }
  const server = join(folder, "opt/container-builder/current/lib/nats-server");
  await mkdir(join(server, ".."), { recursive: true });
  await cp(await natsServerPath({ onStep: () => undefined }), server);
  const file = `${folder}.deb`;
  const env = { ...process.env, SOURCE_DATE_EPOCH: "0" };
  await run("find", [folder, "-exec", "touch", "--date=@0", "{}", "+"]);
  await run("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build", folder, file], { env });
  return file;
}
