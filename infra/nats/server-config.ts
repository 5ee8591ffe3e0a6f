/** The text of `nats-server.conf`, for the local stack, the tests and a site. */

export interface ServerConfig {
  readonly serverName: string;
  /** The address to listen on. */
  readonly host: string;
  /** 0: the server chooses a free port. */
  readonly port: number;
  /** Everything the server writes: streams, account JWTs, log, pid and ports files. */
  readonly dataDir: string;
  /** The JWT of the operator; it is not secret. */
  readonly operatorJwt: string;
  /** Public key of each account and its JWT. The first is the system account. */
  readonly accounts: readonly { readonly id: string; readonly jwt: string }[];
  readonly certFile: string;
  readonly keyFile: string;
  /** Disk space for all streams. The server reserves the `max_bytes` of each stream from it. */
  readonly maxFileBytes: number;
  /** The server disconnects a client that has left two pings unanswered. */
  readonly pingIntervalMs: number;
  readonly tags: readonly string[];
  /** `sync_interval` is a setting since nats-server 2.10; an older server refuses to start with it. */
  readonly hasSyncInterval: boolean;
  /**
   * True under a service manager, which has the log and the process id. False: the server writes its log, pid and ports files into
   * `dataDir`.
   */
  readonly isManaged?: boolean;
  /** Absent: the server stands alone. */
  readonly cluster?: ClusterConfig;
}

/** The routes between the nodes of a cluster. Both ends of a route verify the certificate of the other end. */
interface ClusterConfig {
  readonly name: string;
  /** The address to listen on for routes. */
  readonly host: string;
  readonly port: number;
  /** HOST:PORT of the other nodes. */
  readonly peers: readonly string[];
  /** With the node's address as a name, for a server and for a client. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The CA of the routes. */
  readonly caFile: string;
}

/**
 * How long stored messages may stay in the page cache: a power failure loses at most these; a killed server loses none. The default
 * is 2 minutes, and without replicas acknowledged messages are lost then (docs.nats.io, JetStream, "Syncing data to disk"). 10 s is
 * an estimate, not measured: a twelfth of the loss for six syncs a minute. "always" syncs each write, so each chunk of an image,
 * and lowers the throughput (docs.nats.io, reference of `sync_interval`).
 */
const SYNC_INTERVAL = "10s";

/** A chunk of an image is up to 1 MiB, and headers count too. 8 MiB is the maximum that nats-server advises, and was tested. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** A CONNECT line carries the JWT, about 2 kB. The default of 4 KiB is too small for a user with more permissions. */
const MAX_CONTROL_LINE_BYTES = 32 * 1024;

/** A builder under emulation takes seconds for a TLS handshake. The default of NATS is 2 s. */
const TLS_TIMEOUT_S = 10;

/** The server rotates its log file at this size, and keeps one old file. */
const LOG_LIMIT_BYTES = 64 * 1024 * 1024;

/** The default of NATS, written down because the stop of a service manager must wait longer than both together. */
const LAME_DUCK_GRACE_S = 10;
/** Short: each client has reconnected after a second, and a node is back before its peers have much to send it. */
const LAME_DUCK_S = 30;

export function serverConfig(config: ServerConfig): string {
  const at = (name: string) => quote(`${config.dataDir}/${name}`);
  const [system] = config.accounts;
  return `# Written by container-builder; changes are lost.
server_name: ${quote(config.serverName)}
server_tags: [${config.tags.map(quote).join(", ")}]
host: ${quote(config.host)}
port: ${config.port === 0 ? -1 : config.port}

tls {
  cert_file: ${quote(config.certFile)}
  key_file: ${quote(config.keyFile)}
  timeout: ${TLS_TIMEOUT_S}
}

operator: ${config.operatorJwt}
system_account: ${system?.id ?? ""}
resolver {
  type: full
  dir: ${at("accounts")}
  allow_delete: false
  interval: "2m"
}
resolver_preload {
${config.accounts.map((account) => `  ${account.id}: ${account.jwt}`).join("\n")}
}

jetstream {
  store_dir: ${quote(config.dataDir)}
  max_file: ${config.maxFileBytes}
${config.hasSyncInterval ? `  sync_interval: "${SYNC_INTERVAL}"\n` : ""}  # Only leases and counters are stored in memory.
  max_mem: ${64 * 1024 * 1024}
}

max_payload: ${MAX_PAYLOAD_BYTES}
max_control_line: ${MAX_CONTROL_LINE_BYTES}
# The bytes that the server buffers for one client; the window of a reader must stay well below.
max_pending: ${64 * 1024 * 1024}
write_deadline: "10s"
# The server disconnects a frozen client after two unanswered pings, so that it receives no more requests.
ping_interval: "${config.pingIntervalMs}ms"
ping_max: 2
# On SIGUSR2 the server accepts no new client, hands over its streams for the grace period, and then closes its clients one by one.
lame_duck_grace_period: "${LAME_DUCK_GRACE_S}s"
lame_duck_duration: "${LAME_DUCK_S}s"
${config.cluster === undefined ? "" : clusterSection(config.cluster)}${config.isManaged ? "" : runFiles(at, config.dataDir)}`;
}

/**
 * Clients must not learn addresses from the cluster (`no_advertise`): the nodes know each other by addresses that a client may not
 * reach, and every client has the complete list in its settings.
 */
function clusterSection({ name, host, port, peers, certFile, keyFile, caFile }: ClusterConfig): string {
  return `
cluster {
  name: ${quote(name)}
  host: ${quote(host)}
  port: ${port}
  no_advertise: true
  routes: [${peers.map((peer) => quote(`tls://${peer}`)).join(", ")}]
  tls {
    cert_file: ${quote(certFile)}
    key_file: ${quote(keyFile)}
    ca_file: ${quote(caFile)}
    verify: true
    timeout: ${TLS_TIMEOUT_S}
  }
}
`;
}

function runFiles(at: (name: string) => string, dataDir: string): string {
  return `
log_file: ${at("nats-server.log")}
logfile_size_limit: ${LOG_LIMIT_BYTES}
pid_file: ${at("nats-server.pid")}
ports_file_dir: ${quote(dataDir)}
`;
}

/** Quotes a string of the configuration language. Its escapes are a subset of those of JSON. */
function quote(text: string): string {
  return JSON.stringify(text);
}
