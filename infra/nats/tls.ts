/** The installation's own certificate authority and the servers' certificate, made with the `openssl` command. */
import { execFile } from "node:child_process";
import { chmod, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { CbError, messageOf } from "../../lib/errors.ts";

const run = promisify(execFile);

/** Ten years: the authority is replaced with the installation, and its key is offline. */
const CA_DAYS = 3650;
/** 825 days is the longest that TLS libraries of all kinds accept of a server (Apple's limit is the strictest). */
const SERVER_DAYS = 825;

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
export async function makeCertificates(files: CertificateFiles, serverName: string): Promise<void> {
  const request = `${files.certFile}.csr`;
  const extensions = `${files.certFile}.ext`;
  const ca = ["req", "-x509", ...NEW_KEY, "-days", `${CA_DAYS}`, "-subj", "/CN=container-builder CA"];
  // The two extensions a CA must carry (RFC 5280, 4.2.1.3 and 4.2.1.9); openssl 1.1 and 3 differ in what they add.
  const caUses = ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0", "-addext", "keyUsage=critical,keyCertSign"];
  await openssl([...ca, ...caUses, "-keyout", files.caKeyFile, "-out", files.caFile]);
  await openssl(["req", ...NEW_KEY, "-subj", `/CN=${serverName}`, "-keyout", files.keyFile, "-out", request]);
  await writeFile(extensions, `subjectAltName=DNS:${serverName}\nextendedKeyUsage=serverAuth\n`);
  const signer = ["-CA", files.caFile, "-CAkey", files.caKeyFile, "-set_serial", `0x${serial()}`];
  const sign = ["x509", "-req", "-in", request, ...signer, "-days", `${SERVER_DAYS}`, "-extfile", extensions];
  await openssl([...sign, "-out", files.certFile]);
  await Promise.all([rm(request), rm(extensions), chmod(files.caKeyFile, 0o600), chmod(files.keyFile, 0o600)]);
}

/** 16 random bytes, the first below 0x80 so that the number is positive (RFC 5280, 4.1.2.2). */
function serial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString("hex");
}

async function openssl(args: string[]): Promise<void> {
  try {
    await run("openssl", args);
  } catch (error) {
    throw new CbError("config", `openssl ${args[0]} failed: ${messageOf(error)}`, {
      hint: "is openssl installed? On Debian: apt-get install openssl",
      cause: error,
    });
  }
}
