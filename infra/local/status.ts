/** Finds which parts of the local stack run, and where their files are. */
import { readFile } from "node:fs/promises";
import { isReplying } from "../../lib/oci/is-replying.ts";
import { openInstallation } from "../nats/installation.ts";
import { findNatsServer } from "../nats/server.ts";
import { runningPid } from "./daemon.ts";
import { HTTP_ADDRESS } from "./http-port.ts";
import { type Layout, layout, localUser } from "./layout.ts";
import { kindIn } from "./queue-yaml.ts";
import { runningRegistries } from "./registry.ts";

/** Also the document of `cb-local status --json`. */
export interface LocalStatus {
  readonly v: 1;
  /** Without `pid` it is down. `url` is in the settings for clients, which exist while the stack is up. */
  readonly nats: { readonly pid?: number; readonly url?: string };
  readonly queue: { readonly pid?: number; readonly log: string; readonly builders?: string; readonly page?: string };
  /** The copies of registries, while it runs. `replies`: false while the registry itself is away. */
  readonly registry: { readonly pid?: number; readonly log: string; readonly copies?: readonly LocalCopy[] };
  /** For the nats CLI as an operator. Absent while the stack is down. */
  readonly operator?: { readonly ca: string; readonly creds: string };
}

interface LocalCopy {
  readonly host: string;
  readonly listen: string;
  readonly replies: boolean;
}

/** A registry on this machine replies in milliseconds. */
const REPLY_MS = 1_000;

async function registryStatus(paths: Layout): Promise<LocalStatus["registry"]> {
  const pid = runningPid(paths.registryPid);
  const log = paths.registryLog;
  if (pid === undefined) return { log };
  const copies = (runningRegistries(paths)?.registries ?? []).map(async ({ host, listen }) => {
    return { host, listen, replies: await isReplying({ host: listen, plainHttp: true }, REPLY_MS) };
  });
  return { pid, log, copies: await Promise.all(copies) };
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
    registry: await registryStatus(paths),
    ...(files === undefined ? {} : { operator: { ca: files.caFile, creds: files.operatorCreds } }),
  };
}

/** Ends with a line break. */
export function localStatusText({ nats, queue, registry, operator }: LocalStatus): string {
  return [
    `nats-server: ${describe(nats.pid)}${nats.url === undefined ? "" : `, ${nats.url}`}`,
    `cb-queue:    ${describe(queue.pid)}, log ${queue.log}`,
    ...(queue.pid === undefined ? [] : [`builders:    ${queue.builders}`, `status page: ${queue.page}`]),
    `cb-registry: ${describe(registry.pid)}, log ${registry.log}`,
    ...(registry.copies ?? []).map(
      ({ host, listen, replies }) =>
        `  copies of ${host} on ${listen}${replies ? "" : ": does not reply; is the registry away?"}`,
    ),
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
