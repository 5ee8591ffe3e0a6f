/** Checks the way to one NATS server, step by step: name, connection, TLS. Takes at most 15 s. */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, isIP } from "node:net";
import { unlessAborted } from "../../core/abort.ts";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { NATS_PORT, type NatsAddress } from "../../nats/connection.ts";
import { serverCertificates } from "../../nats/server-certificate.ts";
import { type Check, type Failure, failure, ok, skipped } from "./check.ts";

/** Of each step: the answer of a server in the same country takes less than a second. */
const STEP_MS = 5_000;

/** The checks end with the first that fails. */
export async function checkServer(server: URL, address: NatsAddress): Promise<Check[]> {
  const host = server.hostname.replace(/^\[|\]$/g, "");
  const port = server.port === "" ? NATS_PORT : Number(server.port);
  const name = await checkName(host);
  if (name.state === "fail") return [name, skipped("TCP"), skipped("TLS")];
  const connection = await checkConnection(host, port);
  if (connection.state === "fail") return [name, connection, skipped("TLS")];
  return [name, connection, await checkTls(server, address)];
}

async function checkName(host: string): Promise<Check> {
  if (isIP(host) !== 0) return ok("DNS", `${host} is an address`);
  try {
    const found = await unlessAborted(lookup(host, { all: true }), AbortSignal.timeout(STEP_MS));
    return ok("DNS", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return failure("DNS", {
      text: `${host} has no address: ${codeOf(error) || messageOf(error)}`,
      remedy: `is the name right? It is in "url", see container-builder config; test it with: getent hosts ${host}`,
      kind: "unreachable",
    });
  }
}

async function checkConnection(host: string, port: number): Promise<Check> {
  const startedMs = performance.now();
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(STEP_MS) });
    return ok("TCP", `${socket.remoteAddress} port ${port}, ${Math.ceil(performance.now() - startedMs)} ms`);
  } catch (error) {
    return failure("TCP", { ...connectionFailure(codeOf(error)), kind: "unreachable" });
  } finally {
    socket.destroy();
  }

  function connectionFailure(code: string): Pick<Failure, "text" | "remedy"> {
    if (code === "ECONNREFUSED") {
      return {
        text: `port ${port} of ${host} is closed`,
        remedy: "NATS does not run there, or the port is another: ask your operator",
      };
    }
    const reason = code === "ABORT_ERR" || code === "" ? `no answer within ${STEP_MS / 1000} s` : code;
    return {
      text: `cannot connect to port ${port} of ${host}: ${reason}`,
      remedy: "a firewall may be between: is this machine in a network from which your site allows builds?",
    };
  }
}

async function checkTls(server: URL, { servername, ca }: NatsAddress): Promise<Check> {
  if (server.protocol === "nats:") return ok("TLS", "not used: NATS is on this machine");
  try {
    const [certificate] = await serverCertificates(server.href, servername, ca);
    if (certificate === undefined) return skipped("TLS");
    if (certificate.fault !== undefined) return failure("TLS", tlsFailure(certificate.fault));
    return ok("TLS", `the certificate is valid until ${new Date(certificate.endsAtMs).toISOString().slice(0, 10)}`);
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    const remedy = "the port may be of another service than NATS: ask your operator for the address";
    return failure("TLS", { text: error.message, remedy, kind: "unreachable" });
  }
}

/** `fault` is the code or the message of OpenSSL or Node. Exported for its test. */
export function tlsFailure(fault: string): Failure {
  const text = `the certificate of NATS is refused: ${fault}`;
  if (/EXPIRED|NOT_YET_VALID/.test(fault))
    return {
      text,
      remedy: "is this machine's clock right? See date; otherwise tell your operator",
      kind: "unreachable",
    };
  if (/altnames|ALTNAME/i.test(fault)) {
    const remedy = 'set "servername" (or NATS_SERVERNAME) to the name in the certificate: ask your operator for it';
    return { text, remedy, kind: "config" };
  }
  return {
    text,
    remedy: 'set "ca" (or NATS_CA) to the CA file of your site: ask your operator for it',
    kind: "config",
  };
}

/** With several servers one that answers is enough: the failures of the others are warnings. */
export function checksOf(servers: readonly (readonly Check[])[]): Check[] {
  const answers = servers.some((checks) => checks.every(({ state }) => state === "ok"));
  return servers
    .flat()
    .map(({ kind, ...check }) =>
      answers && check.state === "fail" ? { ...check, state: "warn" } : kind === undefined ? check : { ...check, kind },
    );
}
