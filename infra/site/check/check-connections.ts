/** `cb-admin site check --connect`: connects to each NATS host as the folder describes it. Takes at most 20 s. */
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { CLOCK_MAX_MS, clockDifferenceMs } from "../../../lib/core/clock-difference.ts";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { connectNats, type NatsAddress } from "../../../lib/nats/connection.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { type ServerCertificate, serverCertificates } from "../../../lib/nats/server-certificate.ts";
import { decode } from "../../../lib/protocol/codec.ts";
import { serverStatus } from "../../../lib/protocol/subjects.ts";
import type { Files } from "../../nats/installation.ts";
import type { NatsHost, Site } from "../answers/site-schema.ts";
import { hostPort } from "../files/nats-files.ts";
import { fingerprintOf } from "../keys/certificate-faults.ts";
import type { SiteFolder } from "../site-folder.ts";
import type { Fault } from "./fault.ts";

/** Of each step: the certificate, the credentials side by side, and what the server reports. */
const STEP_MS = 5_000;

export interface Connection {
  readonly host: string;
  /** ADDRESS:PORT. */
  readonly address: string;
  /** The version of nats-server. Absent: no connection was made. */
  readonly version?: string;
  /** The clock of this machine less the server's. Absent: the server did not report it. */
  readonly clockMs?: number;
}

export interface ConnectionFindings {
  readonly connections: readonly Connection[];
  readonly faults: readonly Fault[];
}

/** Call it when the keys in the folder have no fault. Never throws for a host that does not answer. */
export async function checkConnections(site: Site, folder: SiteFolder, files: Files): Promise<ConnectionFindings> {
  const [ca, cert] = await Promise.all(
    [site.certificates?.ca ?? files.caFile, site.certificates?.cert ?? files.certFile].map((path) =>
      readFile(path, "utf8"),
    ),
  );
  const parts: Parts = { site, folder, files, ca: ca ?? "", fingerprint: fingerprintOf(cert ?? "") };
  const found = await Promise.all(site.nats.hosts.map((host) => checkHost(parts, host)));
  return {
    connections: found.map(({ connection }) => connection),
    faults: found.flatMap(({ connection: { host, address }, faults }) =>
      faults.map(({ text, remedy }) => ({ path: `${host} (${address})`, text, remedy })),
    ),
  };
}

interface Parts {
  readonly site: Site;
  readonly folder: SiteFolder;
  readonly files: Files;
  readonly ca: string;
  /** Of the certificate in the folder. */
  readonly fingerprint: string | undefined;
}

type HostFault = Pick<Fault, "text" | "remedy">;

async function checkHost(parts: Parts, host: NatsHost): Promise<{ connection: Connection; faults: HostFault[] }> {
  const { site, ca, fingerprint } = parts;
  const address = { url: `tls://${hostPort(host.address, site.nats.port)}`, servername: site.serverName, ca };
  const known = { host: host.name, address: hostPort(host.address, site.nats.port) };
  try {
    const [certificate] = await serverCertificates(address.url, site.serverName, ca);
    const faults = certificate === undefined ? [] : certificateFaults(certificate, fingerprint);
    if (certificate?.fault !== undefined) return { connection: known, faults };
    const found = await Promise.all([
      checkServer(parts, host, address),
      ...credentialFiles(parts).map((path) => checkCredential(parts, path, address)),
    ]);
    return {
      connection: { ...known, ...found[0].connection },
      faults: [...faults, ...found.flatMap((one) => one.faults)],
    };
  } catch (error) {
    return { connection: known, faults: [{ text: `does not answer: ${messageOf(error)}`, remedy: UNREACHABLE }] };
  }
}

const UNREACHABLE = "is the port open from this machine? On the host: systemctl status cb-nats";
const RELOAD = "copy the host's files again (install.txt), and on the host: systemctl reload cb-nats";
const OTHER_SERVER =
  "is nats.hosts in site.yaml right? Otherwise copy the host's files again, and: systemctl restart cb-nats";

function certificateFaults({ fault, fingerprint }: ServerCertificate, own: string | undefined): HostFault[] {
  if (fault !== undefined) return [{ text: `serves a certificate that clients refuse: ${fault}`, remedy: RELOAD }];
  return fingerprint === own ? [] : [{ text: "serves another certificate than that of the folder", remedy: RELOAD }];
}

/** The queue's, that of backups, and those of the operators. */
function credentialFiles({ site, folder, files }: Parts): string[] {
  return [
    files.queueCreds,
    files.backupCreds,
    ...site.operators.map((name) => join(folder.operators, `${name}.creds`)),
  ];
}

interface HostFindings {
  readonly connection?: Partial<Connection>;
  readonly faults: readonly HostFault[];
}

async function checkCredential(parts: Parts, path: string, address: NatsAddress): Promise<HostFindings> {
  return connected({ ...parts, path, address }, async () => ({ faults: [] }));
}

/** With the credential of SYS, which the server's own report needs. */
async function checkServer(parts: Parts, host: NatsHost, address: NatsAddress): Promise<HostFindings> {
  return connected({ ...parts, path: parts.files.sysCreds, address }, async (nc) => {
    const { server_id = "", server_name, version } = nc.info ?? {};
    const isOther = server_name !== host.name;
    const other = { text: `is the server ${server_name}, not ${host.name}`, remedy: OTHER_SERVER };
    const sentMs = Date.now();
    const { data } = await nc.request(serverStatus(server_id), "", { timeout: STEP_MS });
    const { server } = decode(statusReply, data, "the server's report");
    const clockMs = clockDifferenceMs({ sentMs, receivedMs: Date.now(), remoteMs: Date.parse(server.time) });
    return {
      connection: { ...(version === undefined ? {} : { version }), clockMs },
      faults: [...(isOther ? [other] : []), ...(server.jetstream ? [] : [NO_JETSTREAM]), ...clockFaults(clockMs)],
    };
  });
}

/** The part of the reply of nats-server 2.9 to 2.15 that is read here. */
const statusReply = v.object({ server: v.object({ time: v.string(), jetstream: v.optional(v.boolean(), false) }) });

const NO_JETSTREAM = {
  text: "runs without JetStream",
  remedy: "its log has the reason: journalctl -u cb-nats; is the disk of nats.storage.folder mounted?",
};

/** `clockMs` as in Connection. */
export function clockFaults(clockMs: number): HostFault[] {
  if (Math.abs(clockMs) <= CLOCK_MAX_MS) return [];
  const seconds = Math.round(Math.abs(clockMs) / 1000);
  const text = `has a clock ${seconds} s ${clockMs > 0 ? "behind" : "ahead of"} this machine's`;
  return [{ text, remedy: "set both clocks by NTP; on the host: timedatectl" }];
}

interface Attempt {
  readonly folder: SiteFolder;
  /** Of the credential file. */
  readonly path: string;
  readonly address: NatsAddress;
}

/** Connects with a credential file, and closes the connection. A refusal and an error are faults. */
async function connected(
  { folder, path, address }: Attempt,
  work: (nc: NatsConnection) => Promise<HostFindings>,
): Promise<HostFindings> {
  try {
    const { jwt, key } = parseCreds(await readFile(path, "utf8"), path);
    const options = { address, credential: { jwt, key }, name: "cb-admin site check", timeoutMs: STEP_MS };
    const nc = await connectNats(options);
    try {
      return await work(nc);
    } finally {
      await nc.close();
    }
  } catch (error) {
    const name = relative(folder.root, path);
    const isRefused = error instanceof CbError && error.kind === "denied";
    const refused = { text: `refuses the credential ${name}`, remedy: OTHER_ACCOUNTS };
    return { faults: [isRefused ? refused : { text: `${messageOf(error)} (${name})`, remedy: UNREACHABLE }] };
  }
}

const OTHER_ACCOUNTS =
  "the server has other accounts than the folder: copy the host's files again, and: systemctl restart cb-nats; " +
  "if a renewal of signing keys is under way, run it again";
