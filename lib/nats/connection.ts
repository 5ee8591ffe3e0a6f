/** One way onto the bus, for every program. */
import { isIP } from "node:net";
import { connect, Events, type NatsConnection, NatsError } from "nats";
import { systemClock } from "../core/clock.ts";
import { CbError, messageOf } from "../core/errors.ts";
import { GUEST_API_PREFIX, inboxPrefix } from "../protocol/subjects.ts";
import { authenticator } from "./credentials/authenticator.ts";
import type { NKey } from "./credentials/nkey.ts";
import type { JetStreamAccess } from "./jetstream/api.ts";

/** Where NATS is. */
export interface NatsAddress {
  /** `tls://host:port`, or several with commas between. */
  readonly url: string;
  /** The one name in the servers' certificates. Without it nats.js would check an IP address as "localhost". */
  readonly servername?: string;
  /** The CA that signed them, as PEM; without it, the system's. */
  readonly ca?: string;
}

/** A JWT and the key that it is for. */
export interface Credential {
  readonly jwt: string;
  readonly key: NKey;
}

export interface ConnectOptions {
  readonly address: NatsAddress;
  readonly credential: Credential;
  /** Shown to operators in the server's connection list. */
  readonly name: string;
  /** How long the first connection may take. 4 s leaves a second of the five in which a user is told. */
  readonly timeoutMs?: number;
  /** A refused credential does not end it either: what a daemon wants, since a server that starts may not know it yet. */
  readonly ignoreAuthErrors?: boolean;
  /** Told when the connection is lost and found again. */
  readonly onStatus?: (status: "lost" | "back", server: string) => void;
}

const FIRST_CONNECT_MS = 4_000;

/** The gap between attempts to come back: short, since an hour-long build may wait for it; jittered by nats.js. */
const RECONNECT_WAIT_MS = 500;

/**
 * A connection that comes back for ever. Throws CbError "unreachable" when nobody answers, "denied" when NATS refuses
 * the credential, "config" when the address is none or would not be safe.
 */
export async function connectNats(options: ConnectOptions): Promise<NatsConnection> {
  const { address, credential } = options;
  const prefix = inboxPrefix(credential.key.publicKey);
  const tls = tlsOptions(address);
  try {
    const nc = await connect({
      servers: address.url.split(",").map((url) => url.trim()),
      name: options.name,
      authenticator: authenticator(credential.jwt, credential.key),
      inboxPrefix: prefix,
      timeout: options.timeoutMs ?? FIRST_CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      // The first pings after a frozen server or a cut cable tell within half a minute; the default takes four.
      pingInterval: 10_000,
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

/** Between two tries to reach NATS for the first time. */
const FIRST_AGAIN_MS = 2_000;

/**
 * The same for who has nothing else to do, as a daemon: a NATS that cannot be reached is waited for until `signal` ends it,
 * and `stubborn` is the default. Throws the other errors of connectBus, and what `signal` aborts with.
 */
export async function connectPatiently(
  options: ConnectOptions,
  { signal, onFailure }: { signal: AbortSignal; onFailure: (error: CbError) => void },
): Promise<NatsConnection> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await unlessAborted(connectNats({ ignoreAuthErrors: true, ...options }), signal);
    } catch (error) {
      if (!(error instanceof CbError) || error.kind !== "unreachable") throw error;
      onFailure(error);
      await systemClock.sleep(FIRST_AGAIN_MS, signal);
    }
  }
}

/** A frozen server holds an attempt for seconds, and nobody should wait for it who wants to leave. */
function unlessAborted(connecting: Promise<NatsConnection>, signal: AbortSignal): Promise<NatsConnection> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      reject(signal.reason);
      // One that is made after all is nobody's.
      connecting.then(
        (nc) => nc.close(),
        () => undefined,
      );
    };
    signal.addEventListener("abort", leave, { once: true });
    connecting.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/**
 * `tls://` means TLS: without the option nats.js takes whatever the server offers, and whoever sits in between could offer
 * nothing. Throws CbError "config" on what would not be safe.
 */
function tlsOptions({ url, servername, ca }: NatsAddress): { tls?: { ca?: string; servername?: string } } {
  const servers = url.split(",").map((one) => parseUrl(one.trim(), url));
  if (servers.every(({ protocol }) => protocol === "nats:")) {
    const open = servers.find(({ hostname }) => !LOOPBACK.test(hostname));
    if (open === undefined) return {};
    throw new CbError("config", `${url} would talk to ${open.hostname} without encryption`, {
      hint: "use tls:// instead of nats://",
    });
  }
  const address = servers.find(({ hostname }) => isIP(hostname.replace(/[[\]]/g, "")) !== 0);
  if (address !== undefined && servername === undefined) {
    throw new CbError("config", `${url} names an address, and certificates are for names`, {
      hint: 'set "servername" to the name in the certificate, or use that name in the url',
    });
  }
  return { tls: { ...(ca === undefined ? {} : { ca }), ...(servername === undefined ? {} : { servername }) } };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

function parseUrl(text: string, url: string): URL {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed !== undefined && ["tls:", "nats:"].includes(parsed.protocol)) return parsed;
  throw new CbError("config", `${JSON.stringify(url)} is not an address of NATS`, {
    hint: "it looks like tls://HOST:4222",
  });
}

async function watchStatus(nc: NatsConnection, tell: (status: "lost" | "back", server: string) => void): Promise<void> {
  for await (const event of nc.status()) {
    if (event.type === Events.Disconnect) tell("lost", String(event.data));
    if (event.type === Events.Reconnect) tell("back", String(event.data));
  }
}

/** JetStream as a connection in GUEST sees it: the few calls that are imported, and the credential's own inbox. */
export function guestAccess(nc: NatsConnection): JetStreamAccess {
  const prefix = inboxes.get(nc);
  if (prefix === undefined) throw new Error("a connection that connectBus did not make");
  return { nc, apiPrefix: GUEST_API_PREFIX, inboxPrefix: prefix };
}

/** nats.js does not tell with which inbox prefix a connection was made. */
const inboxes = new WeakMap<NatsConnection, string>();

function connectError(error: unknown, url: string): CbError {
  if (error instanceof CbError) return error;
  const code = error instanceof NatsError ? error.code : "";
  if (["AUTHORIZATION_VIOLATION", "AUTHENTICATION_EXPIRED", "PERMISSIONS_VIOLATION"].includes(code)) {
    return new CbError("denied", `NATS at ${url} refuses the credential`, {
      hint: "it may have expired, been revoked, or be of another installation: ask your operator for a new one",
      cause: error,
    });
  }
  return new CbError("unreachable", `cannot reach NATS at ${url}: ${messageOf(error)}`, { cause: error });
}
