/**
 * Reads the certificate that a NATS server serves. The client of NATS does not show it. A server sends its INFO in plain text first
 * and then expects TLS, so the certificate is not found by a plain TLS connection.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CbError, messageOf } from "../core/errors.ts";
import { NATS_PORT, serversOf } from "./connection.ts";

/** As the first connection of the queue itself. */
const LIMIT_MS = 5_000;

export interface ServerCertificate {
  /** HOST:PORT of the server. */
  readonly host: string;
  readonly endsAtMs: number;
  /** SHA-256, as TLS shows it. */
  readonly fingerprint: string;
  /** The reason for which a client with this CA, or those of the system, and this name refuses it. */
  readonly fault?: string;
}

/**
 * The certificates of all servers in `url`; empty for `nats://` addresses, which have none. `ca` is PEM. Throws CbError
 * "infrastructure" when one of the servers does not answer within 5 s.
 */
export async function serverCertificates(
  url: string,
  servername: string | undefined,
  ca?: string,
): Promise<ServerCertificate[]> {
  const secure = serversOf(url).filter(({ protocol }) => protocol === "tls:");
  return await Promise.all(secure.map((server) => certificateOf(server, servername, ca)));
}

async function certificateOf(server: URL, servername: string | undefined, ca?: string): Promise<ServerCertificate> {
  const hostname = server.hostname.replace(/^\[|\]$/g, "");
  const port = server.port === "" ? NATS_PORT : Number(server.port);
  const host = `${server.hostname}:${port}`;
  const signal = AbortSignal.timeout(LIMIT_MS);
  const socket = connectTcp({ host: hostname, port });
  try {
    return { host, ...(await readCertificate(socket, { servername: servername ?? hostname, ca, signal })) };
  } catch (cause) {
    const reason = signal.aborted ? `no answer within ${LIMIT_MS / 1000} s` : messageOf(cause);
    throw new CbError("infrastructure", `cannot read the certificate of the NATS server ${host}: ${reason}`, { cause });
  } finally {
    socket.destroy();
  }
}

interface Handshake {
  readonly servername: string;
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

async function readCertificate(
  socket: Socket,
  { servername, ca, signal }: Handshake,
): Promise<Omit<ServerCertificate, "host">> {
  // The INFO has about 500 bytes and arrives as the first chunk; TLS begins after it.
  await once(socket, "data", { signal });
  socket.pause();
  // Not refused: an expired certificate is to be read too, and nothing is sent over this connection.
  const secure = connectTls({ socket, servername, rejectUnauthorized: false, ...(ca === undefined ? {} : { ca }) });
  try {
    await once(secure, "secureConnect", { signal });
    const { valid_to, fingerprint256 } = secure.getPeerCertificate();
    // Node's types say Error; it is the code or the message of one.
    const fault = secure.authorized ? {} : { fault: String(secure.authorizationError) };
    return { endsAtMs: Date.parse(valid_to), fingerprint: fingerprint256, ...fault };
  } finally {
    secure.destroy();
  }
}
