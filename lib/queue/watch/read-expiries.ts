/** Reads the ends of the CA, of the servers' certificates and of the queue's credential. */
import { X509Certificate } from "node:crypto";
import { readCaFile } from "../../config/ca-file.ts";
import type { QueueConfig } from "../../config/queue-config.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { readCreds } from "../../nats/credentials/creds.ts";
import { serverCertificates } from "../../nats/server-certificate.ts";
import type { Expiry } from "./expiry.ts";

export interface ReadExpiries {
  readonly expiries: readonly Expiry[];
  /** A failure does not keep the others from being read. */
  readonly failures: readonly CbError[];
}

type NatsConfig = Pick<QueueConfig["nats"], "url" | "servername" | "ca" | "creds">;

/** Takes up to 5 s for each server that does not answer. Never throws. */
export async function readExpiries(nats: NatsConfig): Promise<ReadExpiries> {
  const readings = await Promise.allSettled([
    caExpiries(nats.ca),
    serverExpiries(nats),
    credentialExpiries(nats.creds),
  ]);
  return {
    expiries: readings.flatMap((reading) => (reading.status === "fulfilled" ? reading.value : [])),
    failures: readings.flatMap((reading) => (reading.status === "rejected" ? asCbError(reading.reason) : [])),
  };
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

async function caExpiries(path: string | undefined): Promise<Expiry[]> {
  if (path === undefined) return [];
  const certificates = readCaFile(path, "the queue's setting nats.ca").match(PEM) ?? [];
  return certificates.map((pem) => ({
    kind: "nats_ca",
    name: "the CA of NATS",
    endsAtMs: Date.parse(new X509Certificate(pem).validTo),
  }));
}

async function serverExpiries({ url, servername }: NatsConfig): Promise<Expiry[]> {
  const certificates = await serverCertificates(url, servername);
  return certificates.map(({ host, endsAtMs }) => ({
    kind: "nats_server",
    name: `the certificate of the NATS server ${host}`,
    endsAtMs,
  }));
}

/** At 0 ms no credential has expired: an expired one is reported by its end, as the others are. */
async function credentialExpiries(path: string): Promise<Expiry[]> {
  const { expiresAtMs } = await readCreds(path, 0);
  if (expiresAtMs === undefined) return [];
  return [{ kind: "queue_credential", name: "the queue's credential", endsAtMs: expiresAtMs }];
}

const asCbError = (error: unknown): CbError =>
  error instanceof CbError
    ? error
    : new CbError("infrastructure", `the end of a certificate cannot be read: ${messageOf(error)}`, { cause: error });
