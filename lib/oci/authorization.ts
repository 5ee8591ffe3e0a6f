/**
 * Replies to the authentication challenge of a registry: basic authentication, or a bearer token from the token server that
 * the challenge names as its realm (token authentication specification of the distribution project). The login goes to that
 * registry and that token server only, and only after a challenge.
 */
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import type { Registry, RegistryLogin } from "./address.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { getJson, type RegistryRequest } from "./get-json.ts";

/** Docker's token servers send `token`, OAuth's send `access_token`; some send both for compatibility. */
const tokenReply = v.object({
  token: v.optional(v.pipe(v.string(), v.maxLength(65_536))),
  access_token: v.optional(v.pipe(v.string(), v.maxLength(65_536))),
});
/** The characters that RFC 6750 allows in a token; any other would break the header. */
const TOKEN = /^[\w.~+/-]+=*$/;

type Connection = Pick<RegistryRequest, "connections" | "signal">;

/**
 * The value of the `Authorization` header that satisfies the challenge in `header`. Throws CbError "denied" when the login is
 * missing or refused, the scheme is not supported, or the token server has no TLS; "infrastructure" when the token server
 * fails; see getJson for the rest.
 */
export async function authorize(registry: Registry, header: string, connection: Connection): Promise<string> {
  const challenges = parseChallenges(header);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) return `Bearer ${await fetchToken(registry, bearer, connection)}`;
  const { login } = registry;
  if (login === undefined) throw new CbError("denied", "it requires a login, and none is configured for it");
  if (!challenges.some(({ scheme }) => scheme === "basic")) {
    throw new CbError(
      "denied",
      `it requires ${challenges[0]?.scheme ?? "no known"} authentication, which is not supported`,
    );
  }
  return basic(login);
}

async function fetchToken(registry: Registry, challenge: Challenge, connection: Connection): Promise<string> {
  const url = tokenUrl(registry, challenge);
  const { login } = registry;
  const reply = await getJson({ ...connection, url, authorization: login && basic(login) });
  if (reply.status !== 200) {
    const refused = reply.status === 401 || reply.status === 403;
    const message = `its token server ${url.host} replies with status ${reply.status}`;
    throw new CbError(refused ? "denied" : "infrastructure", message);
  }
  const parsed = v.safeParse(tokenReply, reply.body);
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token ?? "") : "";
  if (!TOKEN.test(token)) throw new CbError("infrastructure", `its token server ${url.host} sends no token`);
  return token;
}

/** The login is sent to this URL. So it must be https, unless the registry itself is configured as plain HTTP. */
function tokenUrl(registry: Registry, { parameters }: Challenge): URL {
  const realm = parameters.get("realm") ?? "";
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol !== "https:" && !(registry.plainHttp && url?.protocol === "http:")) {
    throw new CbError("denied", `it names the token server ${realm.slice(0, 200)}, which is not https`);
  }
  url.username = "";
  url.password = "";
  for (const name of ["service", "scope"]) {
    const value = parameters.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

const basic = ({ username, password }: RegistryLogin): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
