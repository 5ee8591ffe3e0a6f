/** Finds which parts of the local stack run, and where their files are. */
import { readFile } from "node:fs/promises";
import { openInstallation } from "../nats/installation.ts";
import { findNatsServer } from "../nats/server.ts";
import { runningPid } from "./daemon.ts";
import { HTTP_ADDRESS } from "./http-port.ts";
import { layout, localUser } from "./layout.ts";
import { kindIn } from "./queue-yaml.ts";

/** Also the document of `cb-local status --json`. */
export interface LocalStatus {
  readonly v: 1;
  /** Without `pid` it is down. `url` is in the settings for clients, which exist while the stack is up. */
  readonly nats: { readonly pid?: number; readonly url?: string };
  readonly queue: { readonly pid?: number; readonly log: string; readonly builders?: string; readonly page?: string };
  /** For the nats CLI as an operator. Absent while the stack is down. */
  readonly operator?: { readonly ca: string; readonly creds: string };
}

export async function localStatus(): Promise<LocalStatus> {
  const paths = layout();
  const user = await localUser(paths);
  const installation = await openInstallation(paths.installation);
  const natsPid = (await findNatsServer(paths.natsData))?.pid;
  const queuePid = runningPid(paths.queuePid);
  const running =
    queuePid === undefined
      ? {}
      : {
          pid: queuePid,
          builders: kindIn(await readFile(paths.queueConfig, "utf8")),
          page: `http://${HTTP_ADDRESS}:${await readFile(paths.httpPort, "utf8")}/`,
        };
  const files = user === undefined ? undefined : installation?.files;
  return {
    v: 1,
    nats: { ...(natsPid === undefined ? {} : { pid: natsPid }), ...(user === undefined ? {} : { url: user.url }) },
    queue: { log: paths.queueLog, ...running },
    ...(files === undefined ? {} : { operator: { ca: files.caFile, creds: files.operatorCreds } }),
  };
}

/** Ends with a line break. */
export function localStatusText({ nats, queue, operator }: LocalStatus): string {
  return [
    `nats-server: ${describe(nats.pid)}${nats.url === undefined ? "" : `, ${nats.url}`}`,
    `cb-queue:    ${describe(queue.pid)}, log ${queue.log}`,
    ...(queue.pid === undefined ? [] : [`builders:    ${queue.builders}`, `status page: ${queue.page}`]),
    ...(operator === undefined
      ? []
      : [
          "watch all builds as an operator:",
          `  nats --server ${nats.url} --tlsca ${operator.ca} --creds ${operator.creds} sub --raw 'build.*.log'`,
        ]),
    "",
  ].join("\n");
}

const describe = (pid: number | undefined): string => (pid === undefined ? "down" : `up, pid ${pid}`);
