/** Prints which parts of the local stack run, and where their files are. */
import { readFile } from "node:fs/promises";
import { openInstallation } from "../nats/installation.ts";
import { findNatsServer } from "../nats/server.ts";
import { runningPid } from "./daemon.ts";
import { HTTP_ADDRESS } from "./http-port.ts";
import { layout, localUser } from "./layout.ts";
import { kindIn } from "./queue-yaml.ts";
import type { Notify } from "./up.ts";

export async function localStatus(notify: Notify): Promise<void> {
  const paths = layout();
  const user = await localUser(paths);
  const installation = await openInstallation(paths.installation);
  const natsPid = (await findNatsServer(paths.natsData))?.pid;
  notify(`nats-server: ${describe(natsPid)}${user === undefined ? "" : `, ${user.url}`}`);
  const queuePid = runningPid(paths.queuePid);
  notify(`cb-queue:    ${describe(queuePid)}, log ${paths.queueLog}`);
  if (queuePid !== undefined) {
    notify(`builders:    ${kindIn(await readFile(paths.queueConfig, "utf8"))}`);
    notify(`status page: http://${HTTP_ADDRESS}:${await readFile(paths.httpPort, "utf8")}/`);
  }
  if (user === undefined || installation === undefined) return;
  const { caFile, operatorCreds } = installation.files;
  notify(`watch all builds as an operator:
  nats --server ${user.url} --tlsca ${caFile} --creds ${operatorCreds} sub --raw 'build.*.log'`);
}

const describe = (pid: number | undefined): string => (pid === undefined ? "down" : `up, pid ${pid}`);
