/** Explains why a connection to NATS failed: the reason in a user's words, and what to do. */
import { NatsError } from "nats";
import { CbError, codeOf, messageOf } from "../core/errors.ts";

interface Explanation {
  readonly reason: string;
  readonly hint: string;
}

const explained = (reason: string, hint: string): Explanation => ({ reason, hint });

const DENIED: readonly string[] = ["AUTHORIZATION_VIOLATION", "AUTHENTICATION_EXPIRED", "PERMISSIONS_VIOLATION"];

const REFUSED = explained("the connection is refused", "NATS may be down, or the port is wrong");
const SILENT = explained("no reply", "NATS may be down, or a firewall drops the packets");
const NO_ROUTE = explained("there is no network to that address", "check the network of this machine, and the address");
const FORBIDDEN = explained("this machine forbids the connection", "a firewall may forbid it: ask its administrator");
const EXHAUSTED = explained(
  "this machine has no free file descriptors, memory or ports",
  "end other programs, or raise the limits (ulimit -a shows them)",
);
const CLOSED = explained("the server closed the connection", "it may be restarting: try again; or the port is wrong");
const UNKNOWN_CA = explained(
  "an unknown CA signed its certificate",
  'name the file of that CA: "ca" in the configuration, or NATS_CA',
);
const WRONG_TIME = explained(
  "its certificate is not valid now",
  "check the clock of this machine; if that is right, NATS needs a new certificate",
);
const WRONG_NAME = explained(
  "its certificate is for another name",
  'set "servername" in the configuration, or NATS_SERVERNAME, to the name in the certificate',
);
const NOT_NATS = explained("the server there is not a NATS server with TLS", "check the host and the port");

/** By the code of nats.js, of errno(3), of getaddrinfo(3), or of OpenSSL as Node names it (tls, "X509 certificate error codes"). */
const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  CONNECTION_REFUSED: REFUSED,
  ECONNREFUSED: REFUSED,
  TIMEOUT: SILENT,
  ETIMEDOUT: SILENT,
  ENOTFOUND: explained("no such host", "check the name of the host"),
  EAI_AGAIN: explained("the name server does not reply", "check the network of this machine"),
  ENETUNREACH: NO_ROUTE,
  EHOSTUNREACH: NO_ROUTE,
  ENETDOWN: NO_ROUTE,
  EHOSTDOWN: NO_ROUTE,
  EAFNOSUPPORT: NO_ROUTE,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EMFILE: EXHAUSTED,
  ENFILE: EXHAUSTED,
  ENOMEM: EXHAUSTED,
  ENOBUFS: EXHAUSTED,
  EAGAIN: EXHAUSTED,
  EADDRNOTAVAIL: EXHAUSTED,
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CA,
  CERT_SIGNATURE_FAILURE: UNKNOWN_CA,
  CERT_HAS_EXPIRED: WRONG_TIME,
  CERT_NOT_YET_VALID: WRONG_TIME,
  ERR_TLS_CERT_ALTNAME_INVALID: WRONG_NAME,
  SERVER_OPT_NA: NOT_NATS,
};

/** "denied" when NATS refuses the credential, otherwise "unreachable". A CbError is returned as it is. */
export function connectError(error: unknown, url: string): CbError {
  if (error instanceof CbError) return error;
  if (error instanceof NatsError && DENIED.includes(error.code)) {
    return new CbError("denied", `NATS at ${url} refuses the credential`, {
      hint: "it may have expired, been revoked, or be of another installation: ask your operator for a new one",
      cause: error,
    });
  }
  const { reason, hint } = explanationOf(error);
  const detail = detailOf(error);
  return new CbError("unreachable", `cannot reach NATS at ${url}: ${reason}${detail}`, { hint, cause: error });
}

function explanationOf(error: unknown): Explanation {
  const known = EXPLANATIONS[codeOf(error)];
  if (known !== undefined) return known;
  // nats.js throws plain errors for a first line that is not that of NATS.
  const isOther = error instanceof SyntaxError || /^ERR_SSL_/.test(codeOf(error)) || codeOf(error) === "";
  return isOther ? NOT_NATS : explained("the connection failed", "try again; if it stays, ask your operator");
}

/** The text of the system, for an administrator; empty when nats.js has only a code of its own. */
function detailOf(error: unknown): string {
  if (error instanceof NatsError) return "";
  const text = messageOf(error).trim();
  return text === "" ? "" : ` (${text})`;
}
