/**
 * A token server (token authentication specification of the distribution project): it authenticates with basic authentication, and
 * replies with a JWT (RS256, with its certificate) for the requested scope.
 */
import { execFileSync } from "node:child_process";
import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const SERVICE = "test-registry";
const ISSUER = "test-issuer";
const LIFE_S = 300;

export interface TokenServer {
  /** The section `auth` of docker-registry's configuration. */
  readonly auth: unknown;
  /** The requested scopes, in order. */
  readonly scopes: string[];
  /** Repositories for which its tokens grant no access. */
  readonly withheld: Set<string>;
  stop(): Promise<void>;
}

/** Issues tokens for `login` (USER:PASSWORD) only. Creates its key and certificate in `folder`. */
export async function startTokenServer(folder: string, login: string): Promise<TokenServer> {
  const [keyFile, certFile] = [join(folder, "token.key"), join(folder, "token.crt")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=token"];
  execFileSync("openssl", [...request, "-keyout", keyFile, "-out", certFile], { stdio: "pipe" });
  const key = createPrivateKey(readFileSync(keyFile));
  const x5c = [new X509Certificate(readFileSync(certFile)).raw.toString("base64")];
  const scopes: string[] = [];
  const withheld = new Set<string>();
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { searchParams } = new URL(request.url ?? "", "http://token");
    const expected = `Basic ${Buffer.from(login).toString("base64")}`;
    if (request.headers.authorization !== expected || searchParams.get("service") !== SERVICE) {
      response.writeHead(401).end("{}");
      return;
    }
    const scope = searchParams.get("scope") ?? "";
    scopes.push(scope);
    const head = encode({ typ: "JWT", alg: "RS256", x5c });
    const body = encode(claims(scope, login.split(":")[0] ?? "", withheld));
    const signature = sign("sha256", Buffer.from(`${head}.${body}`), key).toString("base64url");
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token: `${head}.${body}.${signature}`, expires_in: LIFE_S }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const realm = `http://127.0.0.1:${port}/token`;
  return {
    auth: { token: { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: certFile } },
    scopes,
    withheld,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** `repository:olcf/titan:pull` is one entry of `access`. */
function claims(scope: string, sub: string, withheld: ReadonlySet<string>): unknown {
  const nowS = Math.floor(Date.now() / 1000);
  const [type = "", name = "", actions = ""] = scope.split(":");
  const access = withheld.has(name) ? [] : [{ type, name, actions: actions.split(",") }];
  return { iss: ISSUER, sub, aud: SERVICE, nbf: nowS - 5, iat: nowS, exp: nowS + LIFE_S, jti: randomUUID(), access };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
