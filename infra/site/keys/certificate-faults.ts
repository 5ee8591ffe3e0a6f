/** The faults of a certificate with its key and its CA. Pure, except for the parsers of node:crypto. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { CertificatePair } from "../files/site-keys.ts";

export interface Expected {
  /** The CA's certificates, as PEM. */
  readonly ca: string;
  /** A DNS name or an address that the certificate must be for. */
  readonly name: string;
}

/** One sentence part for each fault except its end, such as "is not signed by the CA". Empty for a good certificate. */
export function certificateFaults({ cert, key }: CertificatePair, { ca, name }: Expected): string[] {
  const chain = certificatesIn(cert);
  const [own] = chain;
  if (own === undefined) return ["is no PEM certificate"];
  const authorities = certificatesIn(ca);
  const isNamed = isIP(name) === 0 ? own.checkHost(name) : own.checkIP(name);
  return [
    ...(matches(own, key) ? [] : ["does not belong to its key"]),
    ...(isNamed === undefined ? [`is not for the name ${name}, but for ${own.subjectAltName ?? own.subject}`] : []),
    ...(isSigned(chain, authorities) ? [] : ["is not signed by the CA"]),
  ];
}

/** When the first certificate of a PEM text ends; undefined when there is none. */
export function endOf(pem: string): number | undefined {
  const [own] = certificatesIn(pem);
  return own === undefined ? undefined : Date.parse(own.validTo);
}

/** SHA-256 of the first certificate of a PEM text, as TLS shows it; undefined when there is none. */
export const fingerprintOf = (pem: string): string | undefined => certificatesIn(pem)[0]?.fingerprint256;

/** A chain in a file has two or three certificates, a bundle of CAs of a site some tens. */
const CERTIFICATES_MAX = 200;

/** The texts of the certificates in a PEM text, in their order. */
export function pemsIn(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.slice(0, CERTIFICATES_MAX);
}

function certificatesIn(pem: string): X509Certificate[] {
  try {
    return pemsIn(pem).map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

function matches(cert: X509Certificate, key: string): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Each certificate of the chain is signed by the next one, and the last by one of the CA's. */
function isSigned(chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  return chain.every((cert, at) => {
    const next = chain[at + 1];
    const signers = next === undefined ? authorities : [next, ...authorities];
    return signers.some((signer) => cert.checkIssued(signer) && cert.verify(signer.publicKey));
  });
}
