/** The installation's own certificate authority and the servers' certificate, made with the `openssl` command. */
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { CbError, messageOf } from "../../lib/core/errors.ts";

const run = promisify(execFile);

const DAY_MS = 24 * 3_600_000;
/**
 * Both are valid from this long before they are made: a clock that is behind must not take a new installation's certificate
 * for one of the future. A day covers a hardware clock in the time of any zone.
 */
const BACKDATED_MS = DAY_MS;
/** Ten years: the authority is replaced with the installation, and its key is offline. */
const CA_MS = 3650 * DAY_MS;
/** With the day before, 825 days, the longest that TLS libraries of all kinds accept of a server (Apple's limit is the strictest). */
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
 * Makes both certificates. The server's carries the one DNS name that everybody gives as `servername`, and no address:
 * a client that checks the name reaches our server whatever address leads there. Throws CbError "config" when openssl
 * is missing or fails.
 */
export async function makeCertificates(files: CertificateFiles, serverName: string, nowMs: number): Promise<void> {
  const folder = await mkdtemp(join(dirname(files.caKeyFile), "certificates-"));
  try {
    const { caFile, caKeyFile, certFile, keyFile } = files;
    const request = join(folder, "request");
    await Promise.all([writeFile(join(folder, "config"), configIn(folder)), writeFile(join(folder, "index"), "")]);
    // The config names the sections of extensions; only `openssl ca` of 1.1 and 3.0 takes the dates themselves.
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

/** YYYYMMDDHHMMSSZ, as ca(1) has it. */
const asn1Time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;

/** What `openssl ca` wants to be told: an empty list of what it has signed, and random serial numbers. */
const configIn = (folder: string): string => `[ca]
default_ca = ours
[ours]
database = ${join(folder, "index")}
new_certs_dir = ${folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
# The two extensions that a CA must carry (RFC 5280, 4.2.1.3 and 4.2.1.9).
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
