/** The login to a project: the body of Keystone's POST /auth/tokens (Identity API v3). */
import { CbError } from "../../../core/errors.ts";
import type { AuthSettings, CloudSettings } from "./cloud-settings.ts";

export interface KeystoneLogin {
  /** For messages, without the secret: "user demo, project demo". */
  readonly label: string;
  /** A function, so that printing or serialising a Cloud does not show the secret. */
  readonly body: () => object;
}

/** Keystone's id of the domain "Default". Files of clouds with that domain only often do not name it. */
const DEFAULT_DOMAIN = { id: "default" };

type Method = "password" | "application credential";
const METHODS: Readonly<Record<string, Method>> = {
  password: "password",
  v3password: "password",
  v3applicationcredential: "application credential",
  v3application_credential: "application credential",
};

/** Throws CbError "config" naming the missing setting. No message contains a secret. */
export function loginOf(settings: CloudSettings, from: string): KeystoneLogin {
  return methodOf(settings, from) === "password"
    ? passwordLogin(settings.auth, from)
    : applicationCredential(settings.auth, from);
}

function methodOf({ auth, auth_type: type }: CloudSettings, from: string): Method {
  const implied = auth.application_credential_secret === undefined ? "password" : "application credential";
  if (type === undefined) return implied;
  const method = METHODS[type];
  if (method !== undefined) return method;
  const hint = "use a password or, better, an application credential: openstack application credential create NAME";
  throw new CbError("config", `${from}: the auth_type ${type} is not supported`, { hint });
}

function passwordLogin(auth: AuthSettings, from: string): KeystoneLogin {
  const password = required("password", auth.password, from);
  const name = auth.username ?? auth.user_id;
  const user = auth.user_id ? { id: auth.user_id } : named("user", auth, required("username", auth.username, from));
  const project = projectOf(auth, from);
  return {
    label: `user ${name}, project ${project.label}`,
    body: () => ({
      auth: {
        identity: { methods: ["password"], password: { user: { ...user, password } } },
        scope: { project: project.reference },
      },
    }),
  };
}

/** An application credential is bound to one project, so the request names none. */
function applicationCredential(auth: AuthSettings, from: string): KeystoneLogin {
  const secret = required("application_credential_secret", auth.application_credential_secret, from);
  const { application_credential_id: id, application_credential_name: name } = auth;
  const reference = id === undefined ? namedCredential(auth, from) : { id };
  return {
    label: `application credential ${id ?? name}`,
    body: () => ({
      auth: {
        identity: { methods: ["application_credential"], application_credential: { ...reference, secret } },
      },
    }),
  };
}

/** The name of an application credential is unique per user only, so the request names the user. */
function namedCredential(auth: AuthSettings, from: string): object {
  const name = required("application_credential_id", auth.application_credential_name, from);
  const user = auth.user_id ? { id: auth.user_id } : named("user", auth, required("username", auth.username, from));
  return { name, user };
}

function projectOf(auth: AuthSettings, from: string): { label: string; reference: object } {
  const id = auth.project_id ?? auth.tenant_id;
  if (id !== undefined) return { label: id, reference: { id } };
  const name = required("project_name", auth.project_name ?? auth.tenant_name, from);
  return { label: name, reference: named("project", auth, name) };
}

/** A reference by name, with the domain: a name is unique within its domain only. */
function named(kind: "user" | "project", auth: AuthSettings, name: string): object {
  const [id, title] = [auth[`${kind}_domain_id`], auth[`${kind}_domain_name`]];
  const own = domain(id, title) ?? domain(auth.domain_id, auth.domain_name) ?? domain(auth.default_domain, undefined);
  return { name, domain: own ?? DEFAULT_DOMAIN };
}

function domain(id: string | undefined, name: string | undefined): object | undefined {
  if (id !== undefined) return { id };
  return name === undefined ? undefined : { name };
}

function required(key: string, value: string | undefined, from: string): string {
  if (value !== undefined && value !== "") return value;
  throw new CbError("config", `${from}: ${key} is missing`);
}
