/** Reads Keystone's reply to a login: a token, its lifetime, and the catalog of the cloud's services. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { JsonReply } from "../../../core/http-json.ts";
import { faultText } from "../api/fault-text.ts";
import { type Catalog, catalogSchema } from "./catalog.ts";
import type { Cloud } from "./cloud.ts";

/** Fernet and JWS tokens consist of base64url and dots. Any other character would break the header. */
const TOKEN = /^[\w.=-]{1,8192}$/;

const timestamp = v.pipe(v.string(), v.isoTimestamp());
const tokenReply = v.object({
  token: v.object({
    issued_at: timestamp,
    expires_at: timestamp,
    project: v.optional(v.object({ id: v.string(), name: v.string() })),
    catalog: v.optional(catalogSchema, []),
  }),
});

export interface Token {
  /** Secret. */
  readonly value: string;
  /** Lifetime from the login on. The difference of two times of Keystone, so this machine's clock does not matter. */
  readonly lifeMs: number;
  readonly projectId: string;
  readonly catalog: Catalog;
}

/** The format of Keystone's errors. Another server, at a wrong auth_url, does not send it. */
const keystoneError = v.object({ error: v.object({ message: v.string() }) });

/**
 * Reads the token from the reply. Throws CbError "config" when Keystone refuses the login, or auth_url is not the address of a
 * Keystone; "infrastructure" for any other failure.
 */
export function tokenIn(reply: JsonReply, { from, login, authUrl }: Cloud): Token {
  const { status, headers } = reply;
  // For a revoked secret Keystone sends 401 to a user, and 404 to an application credential.
  if (status >= 400 && status < 500 && status !== 429 && v.is(keystoneError, reply.body)) {
    const hint = "the secret is wrong, has expired or was revoked, or the name of user, project or domain is wrong";
    throw new CbError("config", `${from}: Keystone refuses the login of ${login.label}: ${faultText(reply)}`, { hint });
  }
  if (status < 500 && status !== 201 && status !== 429) {
    throw new CbError(
      "config",
      `${from}: no Keystone v3 at auth_url ${authUrl}, it replies with status ${status}: ${faultText(reply)}`,
    );
  }
  const parsed = v.safeParse(tokenReply, reply.body);
  const value = headers.get("x-subject-token")?.[0] ?? "";
  if (status !== 201 || !parsed.success || !TOKEN.test(value)) {
    const content = status === 201 ? "no token" : `status ${status}: ${faultText(reply)}`;
    throw new CbError("infrastructure", `Keystone at ${authUrl} replies to a login with ${content}`);
  }
  const { issued_at, expires_at, project, catalog } = parsed.output.token;
  if (project === undefined) {
    throw new CbError("config", `${from}: the login of ${login.label} names no project`, { hint: "set project_name" });
  }
  return { value, lifeMs: Date.parse(expires_at) - Date.parse(issued_at), projectId: project.id, catalog };
}
