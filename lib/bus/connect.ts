/** One way onto the bus, for every program. */
import { connect, Events, jwtAuthenticator, type NatsConnection, NatsError } from "nats";
import { CbError, messageOf } from "../errors.ts";
import type { JetStreamAccess } from "./jetstream-api.ts";
import { GUEST_API_PREFIX, inboxPrefix } from "./names.ts";

/** Where NATS is. */
export interface BusAddress {
  /** `tls://host:port`, or several with commas between. */
  readonly url: string;
  /** The one name in the servers' certificates. Without it nats.js would check an IP address as "localhost". */
  readonly servername?: string;
  /** The CA that signed them, as PEM; without it, the system's. */
  readonly ca?: string;
}

/** A JWT and the seed of the key that it is for. */
export interface Credential {
  readonly jwt: string;
  readonly seed: Uint8Array;
}

export interface ConnectOptions {
  readonly address: BusAddress;
  readonly credential: Credential;
  /** Shown to operators in the server's connection list. */
  readonly name: string;
  /** How long the first connection may take. 4 s leaves a second of the five in which a user is told. */
  readonly timeoutMs?: number;
  /** Keep trying to reach NATS for the first time too: what a daemon wants. */
  readonly patient?: boolean;
  /** Told when the connection is lost and found again. */
  readonly onStatus?: (status: "lost" | "back", server: string) => void;
}

const FIRST_CONNECT_MS = 4_000;

/** The gap between attempts to come back: short, since an hour-long build may wait for it; jittered by nats.js. */
const RECONNECT_WAIT_MS = 500;

/**
 * A connection that comes back for ever. Throws CbError "unreachable" when nobody answers, "denied" when NATS refuses
 * the credential.
 */
export async function connectBus(options: ConnectOptions): Promise<NatsConnection> {
  const { address, credential } = options;
  const prefix = inboxPrefix(subjectOf(credential.jwt));
  try {
    const nc = await connect({
      servers: address.url.split(",").map((url) => url.trim()),
      name: options.name,
      authenticator: jwtAuthenticator(credential.jwt, credential.seed),
      inboxPrefix: prefix,
      timeout: options.timeoutMs ?? FIRST_CONNECT_MS,
      waitOnFirstConnect: options.patient ?? false,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      // The first pings after a frozen server or a cut cable tell within half a minute; the default takes four.
      pingInterval: 10_000,
      ...(options.patient ? { ignoreAuthErrorAbort: true } : {}),
      ...tlsOptions(address),
    });
    inboxes.set(nc, prefix);
    if (options.onStatus !== undefined) void watchStatus(nc, options.onStatus);
    return nc;
  } catch (error) {
    throw connectError(error, address.url);
  }
}

function tlsOptions(address: BusAddress): { tls?: { ca?: string; servername?: string } } {
  if (address.ca === undefined && address.servername === undefined) return {};
  return {
    tls: {
      ...(address.ca === undefined ? {} : { ca: address.ca }),
      ...(address.servername === undefined ? {} : { servername: address.servername }),
    },
  };
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

/** The public key that a JWT is for. Throws CbError "config" on what is no JWT. */
export function subjectOf(jwt: string): string {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"));
    if (typeof claims === "object" && claims !== null && "sub" in claims) return String(claims.sub);
  } catch {
    // The message below says all there is to say; the text itself is secret.
  }
  throw new CbError("config", "the credential holds no JWT", { hint: "ask your operator for new credentials" });
}

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
