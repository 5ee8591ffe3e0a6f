/** Creates the installation's certificate authority and the servers' certificate with the `openssl` command. */
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { CbError, messageOf } from "../../lib/core/errors.ts";

const run = promisify(execFile);

const DAY_MS = 24 * 3_600_000;
/**
 * Both certificates are valid from this long before their creation, so that a machine with a slow clock accepts a new certificate.
 * A day covers a hardware clock that is set to the local time of any zone.
 */
const BACKDATED_MS = DAY_MS;
/** Ten years: the authority lives as long as the installation, and its key is offline. */
const CA_MS = 3650 * DAY_MS;
/** Together with the backdated day 825 days, the longest life that TLS libraries accept for a server (Apple's limit is the lowest). */
const SERVER_MS = 824 * DAY_MS;

/** P-256: every TLS library has it, and its handshake is cheap for a builder under emulation. */
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export interface CertificateFiles {
  readonly caFile: string;
  readonly caKeyFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Creates both certificates. The server's certificate carries one DNS name, which all clients set as `servername`, and no address:
 * a client that verifies the name accepts the server at any address. Throws CbError "config" when openssl is missing or fails.
 */
export async function makeCertificates(files: CertificateFiles, serverName: string, nowMs: number): Promise<void> {
  const folder = await mkdtemp(join(dirname(files.caKeyFile), "certificates-"));
  try {
    const { caFile, caKeyFile, certFile, keyFile } = files;
    const request = join(folder, "request");
    await Promise.all([writeFile(join(folder, "config"), configIn(folder)), writeFile(join(folder, "index"), "")]);
    // In OpenSSL 1.1 and 3.0 only `openssl ca` accepts start and end dates.
    const sign = (span: readonly string[], args: readonly string[]) =>
      openssl(["ca", "-batch", "-notext", "-config", join(folder, "config"), "-in", request, ...span, ...args]);
    const subject = (name: string, key: string) =>
      openssl(["req", "-new", ...NEW_KEY, "-subj", `/CN=${name}`, "-keyout", key, "-out", request]);
    await subject("container-builder CA", caKeyFile);
    await sign(span(nowMs, CA_MS), ["-selfsign", "-keyfile", caKeyFile, "-out", caFile, "-extensions", "authority"]);
    await subject(serverName, keyFile);
    await writeFile(join(folder, "names"), `subjectAltName=DNS:${serverName}\nextendedKeyUsage=serverAuth\n`);
    const signer = ["-cert", caFile, "-keyfile", caKeyFile, "-extfile", join(folder, "names")];
    await sign(span(nowMs, SERVER_MS), [...signer, "-out", certFile]);
    await Promise.all([chmod(caKeyFile, 0o600), chmod(keyFile, 0o600)]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const span = (nowMs: number, lifeMs: number): string[] => [
  ...["-startdate", asn1Time(nowMs - BACKDATED_MS)],
  ...["-enddate", asn1Time(nowMs + lifeMs)],
];

/** Format of ca(1): YYYYMMDDHHMMSSZ. */
const asn1Time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;

/** The configuration that `openssl ca` requires: an empty index of signed certificates, and random serial numbers. */
const configIn = (folder: string): string => `[ca]
default_ca = installation
[installation]
database = ${join(folder, "index")}
new_certs_dir = ${folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
# The two extensions that a CA certificate must have (RFC 5280, 4.2.1.3 and 4.2.1.9).
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
`;

async function openssl(args: readonly string[]): Promise<void> {
  try {
    await run("openssl", [...args]);
  } catch (error) {
    throw new CbError("config", `openssl ${args[0]} failed: ${messageOf(error)}`, {
      hint: "is openssl installed? On Debian: apt-get install openssl",
      cause: error,
    });
  }
}
