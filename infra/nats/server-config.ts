/** The text of `nats-server.conf`: one pure function for the local stack, the tests and a site. */

export interface ServerConfig {
  readonly serverName: string;
  /** The address to listen on. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Everything the server writes: streams, account JWTs, log, pid and ports files. */
  readonly dataDir: string;
  /** Of operator, not secret. */
  readonly operatorJwt: string;
  /** Public key of each account and its JWT. The first is the system account. */
  readonly accounts: readonly { readonly id: string; readonly jwt: string }[];
  readonly certFile: string;
  readonly keyFile: string;
  /** Disk for all streams together; `max_bytes` of every stream is reserved from it. */
  readonly maxFileBytes: number;
  /** The server is dropped by nobody but drops a client that has not answered two of these. */
  readonly pingIntervalMs: number;
  readonly tags: readonly string[];
}

/** Chunks of an image are up to 1 MiB and headers count; 8 MiB was tried and is the most nats-server advises. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** A CONNECT line carries the JWT, about 2 kB; the default of 4 KiB leaves no room for a user with more rights. */
const MAX_CONTROL_LINE_BYTES = 32 * 1024;

/** A builder under emulation needs seconds for a TLS handshake; NATS's default is 2 s. */
const TLS_TIMEOUT_S = 10;

/** The log file is rotated at this size, and an old one is kept. */
const LOG_LIMIT_BYTES = 64 * 1024 * 1024;

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
  # Only leases and counters are kept in memory.
  max_mem: ${64 * 1024 * 1024}
}

max_payload: ${MAX_PAYLOAD_BYTES}
max_control_line: ${MAX_CONTROL_LINE_BYTES}
# What may wait for one client; a reader's window must stay well under it.
max_pending: ${64 * 1024 * 1024}
write_deadline: "10s"
# A frozen client is dropped after two unanswered pings, so that it does not swallow requests meanwhile.
ping_interval: "${config.pingIntervalMs}ms"
ping_max: 2
lame_duck_duration: "30s"

log_file: ${at("nats-server.log")}
logfile_size_limit: ${LOG_LIMIT_BYTES}
pid_file: ${at("nats-server.pid")}
ports_file_dir: ${quote(config.dataDir)}
`;
}

/** A string of the configuration language; its escapes are a part of JSON's. */
function quote(text: string): string {
  return JSON.stringify(text);
}
