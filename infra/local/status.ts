/** What of the local stack runs, and where its things are. */
import { readFile } from "node:fs/promises";
import { openInstallation } from "../nats/installation.ts";
import { findNatsServer } from "../nats/server.ts";
import { runningPid } from "./daemon.ts";
import { layout } from "./layout.ts";
import { kindIn } from "./queue-yaml.ts";
import { localUser } from "./user.ts";

export async function localStatus(say: (line: string) => void): Promise<void> {
  const paths = layout();
  const user = await localUser(paths);
  const installation = await openInstallation(paths.installation);
  say(
    `nats-server: ${describe((await findNatsServer(paths.natsData))?.pid)}${user === undefined ? "" : `, ${user.url}`}`,
  );
  const queuePid = runningPid(paths.queuePid);
  say(`cb-queue:    ${describe(queuePid)}, log ${paths.queueLog}`);
  if (queuePid !== undefined) say(`builders:    ${kindIn(await readFile(paths.queueConfig, "utf8"))}`);
  if (user === undefined || installation === undefined) return;
  const { caFile, operatorCreds } = installation.files;
  say(`watch all builds as an operator:
  nats --server ${user.url} --tlsca ${caFile} --creds ${operatorCreds} sub --raw 'build.*.log'`);
}

const describe = (pid: number | undefined): string => (pid === undefined ? "down" : `up, pid ${pid}`);
