/** Creates the installation's certificate authority and the servers' certificate with the `openssl` command. */
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
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

export interface AuthorityFiles {
  readonly caFile: string;
  /** Secret. It is needed for a new certificate only. */
  readonly caKeyFile: string;
}

export interface CertificateRequest {
  /** The common name, for people. */
  readonly name: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** "clientAuth" for a node of a cluster, which is the client of a route as well. */
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Creates the key and the certificate of a CA. `name` is its subject: TLS libraries tell two CAs by their subjects. Throws CbError
 * "config" when openssl is missing or fails, and node's error when the folder cannot be written.
 */
export function makeAuthority(
  { caFile, caKeyFile }: AuthorityFiles,
  nowMs: number,
  name = "container-builder CA",
): Promise<void> {
  return withRequest({ name, certFile: caFile, keyFile: caKeyFile }, async (sign, { key }) => {
    await sign(span(nowMs, CA_MS), ["-selfsign", "-keyfile", key, "-extensions", "authority"]);
  });
}

/**
 * Creates a new key and its certificate, signed by the authority, and replaces files of these names. Errors as makeAuthority; the
 * former files are as they were then.
 */
export function makeCertificate(authority: AuthorityFiles, request: CertificateRequest, nowMs: number): Promise<void> {
  const { caFile, caKeyFile } = authority;
  return withRequest(request, async (sign, { folder }) => {
    await writeFile(join(folder, "names"), extensionsOf(request));
    const signer = ["-cert", caFile, "-keyfile", caKeyFile, "-extfile", join(folder, "names")];
    await sign(span(nowMs, SERVER_MS), signer);
  });
}

/**
 * Creates a CA and the servers' certificate, which carries one DNS name, and no address: all clients set the name as `servername`, and
 * a client that verifies the name accepts the server at any address. Errors as makeCertificate.
 */
export async function makeCertificates(
  files: AuthorityFiles & { readonly certFile: string; readonly keyFile: string },
  serverName: string,
  nowMs: number,
): Promise<void> {
  await makeAuthority(files, nowMs);
  await makeCertificate(files, serverRequest(files, serverName), nowMs);
}

export function serverRequest(
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  serverName: string,
): CertificateRequest {
  return { name: serverName, dnsNames: [serverName], addresses: [], usages: ["serverAuth"], certFile, keyFile };
}

function extensionsOf({ dnsNames, addresses, usages }: CertificateRequest): string {
  const names = [...dnsNames.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
  return `subjectAltName=${names.join(",")}\nextendedKeyUsage=${usages.join(",")}\n`;
}

type Sign = (span: readonly string[], args: readonly string[]) => Promise<void>;

type Target = Pick<CertificateRequest, "name" | "certFile" | "keyFile">;

/**
 * Creates a key and a request in a folder that is removed afterwards, lets `work` sign the request, and moves key and certificate to
 * their places.
 */
async function withRequest(
  { name, certFile, keyFile }: Target,
  work: (sign: Sign, at: { folder: string; key: string }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(dirname(keyFile), "certificates-"));
  const [key, cert, request] = ["key", "cert", "request"].map((file) => join(folder, file)) as [string, string, string];
  try {
    await Promise.all([writeFile(join(folder, "config"), configIn(folder)), writeFile(join(folder, "index"), "")]);
    await openssl(["req", "-new", ...NEW_KEY, "-subj", `/CN=${name}`, "-keyout", key, "-out", request]);
    await chmod(key, 0o600);
    // In OpenSSL 1.1 and 3.0 only `openssl ca` accepts start and end dates.
    const command = ["ca", "-batch", "-notext", "-config", join(folder, "config"), "-in", request, "-out", cert];
    await work((dates, args) => openssl([...command, ...dates, ...args]), { folder, key });
    await rename(key, keyFile);
    await rename(cert, certFile);
  } catch (error) {
    await refuseFull(folder);
    throw error;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** More than the block of any file system, so that a write of it needs space. */
const PROBE_BYTES = 64 * 1024;

/** openssl does not tell a full disk from its other failures. Throws node's error when the folder cannot be written. */
async function refuseFull(folder: string): Promise<void> {
  await writeFile(join(folder, "probe"), Buffer.alloc(PROBE_BYTES));
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
