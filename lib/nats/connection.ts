/** The connection to NATS, for every program. */
import { isIP } from "node:net";
import { Events, type NatsConnection } from "nats";
import { unlessAborted } from "../core/abort.ts";
import { systemClock } from "../core/clock.ts";
import { CbError } from "../core/errors.ts";
import { GUEST_API_PREFIX, inboxPrefix } from "../protocol/subjects.ts";
import { connectError } from "./connect-error.ts";
import { authenticator } from "./credentials/authenticator.ts";
import type { NKey } from "./credentials/nkey.ts";
import type { JetStreamAccess } from "./jetstream/api.ts";
import { connectWhole } from "./transport.ts";

/** The address of NATS. */
export interface NatsAddress {
  /** `tls://host:port`, or several separated by commas. */
  readonly url: string;
  /** The name in the certificate of every server. Without it nats.js checks the certificate of an IP address for "localhost". */
  readonly servername?: string;
  /** The CA that signed the certificates, as PEM. Default: the CAs of the system. */
  readonly ca?: string;
}

/** A JWT and the key pair that it was issued for. */
export interface Credential {
  readonly jwt: string;
  readonly key: NKey;
}

export interface ConnectOptions {
  readonly address: NatsAddress;
  readonly credential: Credential;
  /** Shown to operators in the server's connection list. */
  readonly name: string;
  /** How long the first connection may take. Default FIRST_CONNECT_MS. */
  readonly timeoutMs?: number;
  /** Keep reconnecting after a refused credential. For a daemon: a server that has just started may not have the account yet. */
  readonly ignoreAuthErrors?: boolean;
  /** Called when the connection is lost and when it is back. */
  readonly onStatus?: (status: "lost" | "back", server: string) => void;
}

/** The default of nats-server. */
export const NATS_PORT = 4222;

/** A user gets an error message within 5 s; this leaves one of them for the rest of the program. */
const FIRST_CONNECT_MS = 4_000;

/**
 * For a daemon, also each time that it connects again. As long as the server allows for a TLS handshake (server-config.ts): on a host
 * with a load of 20 a handshake took 5 s, and a daemon that gave up before never came back, because each attempt began anew.
 */
const DAEMON_CONNECT_MS = 10_000;

/** Between two attempts to reconnect: short, because an hour-long build may wait for it. nats.js adds jitter. */
const RECONNECT_WAIT_MS = 500;

/**
 * Connects, and reconnects for ever after a lost connection. Throws CbError "unreachable" when no server answers, "denied" when
 * NATS refuses the credential, and "config" when the address is invalid or not secure.
 */
export async function connectNats(options: ConnectOptions): Promise<NatsConnection> {
  const { address, credential } = options;
  const prefix = inboxPrefix(credential.key.publicKey);
  const tls = tlsOptions(address);
  try {
    const nc = await connectWhole({
      servers: address.url.split(",").map((url) => url.trim()),
      name: options.name,
      authenticator: authenticator(credential.jwt, credential.key),
      inboxPrefix: prefix,
      timeout: options.timeoutMs ?? FIRST_CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      // Unanswered pings show a frozen server or an unplugged cable within 30 s; with the default interval it takes 4 min.
      pingInterval: 10_000,
      // Otherwise nats.js makes two errors with their stack for each request, in case that it fails: a quarter of the processor time of a
      // request (measured). Our errors name what failed.
      noAsyncTraces: true,
      ...(options.ignoreAuthErrors ? { ignoreAuthErrorAbort: true } : {}),
      ...tls,
    });
    inboxes.set(nc, prefix);
    if (options.onStatus !== undefined) void watchStatus(nc, options.onStatus);
    return nc;
  } catch (error) {
    throw connectError(error, address.url);
  }
}

/** Between two attempts to make the first connection. */
const FIRST_RETRY_MS = 2_000;

/**
 * Connects as connectNats() does, for a daemon: retries while NATS is unreachable, until `signal` is aborted, and calls `onFailure`
 * for each failed attempt. `ignoreAuthErrors` is true by default, and `timeoutMs` DAEMON_CONNECT_MS. Throws the other errors of connectNats(), and `signal.reason`.
 */
export async function connectWithRetry(
  options: ConnectOptions,
  { signal, onFailure }: { signal: AbortSignal; onFailure: (error: CbError) => void },
): Promise<NatsConnection> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await connectUnlessAborted({ ignoreAuthErrors: true, timeoutMs: DAEMON_CONNECT_MS, ...options }, signal);
    } catch (error) {
      if (!(error instanceof CbError) || error.kind !== "unreachable") throw error;
      onFailure(error);
      await systemClock.sleep(FIRST_RETRY_MS, signal);
    }
  }
}

/** An attempt takes seconds at a frozen server, longer than a daemon that is to stop should wait. */
async function connectUnlessAborted(options: ConnectOptions, signal: AbortSignal): Promise<NatsConnection> {
  const connecting = connectNats(options);
  try {
    return await unlessAborted(connecting, signal);
  } catch (error) {
    // An aborted attempt may still succeed. Its connection has no user, so close it.
    void connecting.then(
      (nc) => nc.close(),
      () => undefined,
    );
    throw error;
  }
}

/**
 * The TLS options of nats.js. Any `tls://` address needs one: without the option nats.js uses TLS only if the server offers it, and
 * an attacker between the two can remove the offer. Throws CbError "config" when the address is invalid or not secure.
 */
function tlsOptions({ url, servername, ca }: NatsAddress): { tls?: { ca?: string; servername?: string } } {
  const servers = serversOf(url);
  if (servers.every(({ protocol }) => protocol === "nats:")) {
    const remote = servers.find(({ hostname }) => !LOOPBACK.test(hostname));
    if (remote === undefined) return {};
    throw new CbError("config", `${url} would connect to ${remote.hostname} without encryption`, {
      hint: "use tls:// instead of nats://",
    });
  }
  const address = servers.find(({ hostname }) => isIP(hostname.replace(/[[\]]/g, "")) !== 0);
  if (address !== undefined && servername === undefined) {
    throw new CbError("config", `${url} has an IP address, but the certificate of a NATS server is for a name`, {
      hint: 'set "servername" to the name in the certificate, or use that name in "url"',
    });
  }
  return { tls: { ...(ca === undefined ? {} : { ca }), ...(servername === undefined ? {} : { servername }) } };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The servers of an address. Throws CbError "config" when one is invalid. */
export const serversOf = (url: string): URL[] => url.split(",").map((one) => parseUrl(one.trim(), url));

function parseUrl(text: string, url: string): URL {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed !== undefined && ["tls:", "nats:"].includes(parsed.protocol)) return parsed;
  throw new CbError("config", `${JSON.stringify(url)} is not an address of NATS`, {
    hint: "it looks like tls://HOST:4222",
  });
}

async function watchStatus(nc: NatsConnection, onStatus: NonNullable<ConnectOptions["onStatus"]>): Promise<void> {
  for await (const event of nc.status()) {
    if (event.type === Events.Disconnect) onStatus("lost", String(event.data));
    if (event.type === Events.Reconnect) onStatus("back", String(event.data));
  }
}

/** JetStream for a connection in GUEST: the prefix of the API calls that GUEST imports, and the inbox of the credential. */
export function guestAccess(nc: NatsConnection): JetStreamAccess {
  const prefix = inboxes.get(nc);
  if (prefix === undefined) throw new Error("the connection was not made by connectNats()");
  return { nc, apiPrefix: GUEST_API_PREFIX, inboxPrefix: prefix };
}

/** By connection, because nats.js does not expose the inbox prefix of a connection. */
const inboxes = new WeakMap<NatsConnection, string>();
