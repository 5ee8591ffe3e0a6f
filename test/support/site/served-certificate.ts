/** Reads the certificate that a nats-server serves. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Served {
  readonly port: number;
  readonly ca: string;
  readonly servername: string;
}

/** The fingerprint of the certificate, verified as a client does. nats-server sends a line before TLS begins. */
export async function servedFingerprint({ port, ca, servername }: Served): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "data");
  const tls = connectTls({ socket, ca, servername });
  try {
    await once(tls, "secureConnect");
    return tls.getPeerCertificate().fingerprint256;
  } finally {
    tls.destroy();
    socket.destroy();
  }
}

export const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256;
