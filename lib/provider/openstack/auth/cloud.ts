/** One cloud and a login for it, as clouds.yaml or the OS_* variables describe them. */
import { homedir } from "node:os";
import { readCaFile } from "../../../config/ca-file.ts";
import { CbError } from "../../../core/errors.ts";
import type { CloudSettings } from "./cloud-settings.ts";
import { type KeystoneLogin, loginOf } from "./login.ts";

const INTERFACES = ["public", "internal", "admin"] as const;
type Interface = (typeof INTERFACES)[number];

export interface Cloud {
  /** The source of the description, for error messages: "the cloud NAME in PATH". */
  readonly from: string;
  /** The address of Keystone, ending with /v3. */
  readonly authUrl: string;
  readonly login: KeystoneLogin;
  /** Undefined: the catalog must have exactly one region. */
  readonly region?: string;
  readonly interface: Interface;
  /** CA certificates as PEM, in place of the system's. */
  readonly ca?: string;
  /** False when the operator has disabled the check of certificates. */
  readonly verify: boolean;
}

/** Throws CbError "config" naming `from` and the setting that is missing or wrong. */
export function cloudOf(settings: CloudSettings, from: string): Cloud {
  const { auth, region_name: region, cacert, verify = true } = settings;
  if (auth.auth_url === undefined) throw noAuthUrl(settings, from);
  return {
    from,
    authUrl: keystoneV3(auth.auth_url, settings, from),
    login: loginOf(settings, from),
    interface: interfaceOf(settings, from),
    verify,
    ...(region === undefined ? {} : { region }),
    ...(cacert === undefined ? {} : { ca: readCaFile(cacert.replace(/^~(?=\/)/, homedir()), from) }),
  };
}

function noAuthUrl({ profile }: CloudSettings, from: string): CbError {
  const hint =
    profile === undefined
      ? "it is the address of Keystone: https://HOST:5000/v3"
      : `profiles (here ${profile}) are not supported: write the auth_url of that cloud`;
  return new CbError("config", `${from}: auth_url is missing`, { hint });
}

/** Appends /v3 when it is missing, as it often is: without it Keystone replies with its list of versions. */
function keystoneV3(url: string, { identity_api_version: version }: CloudSettings, from: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "https:" && parsed?.protocol !== "http:") {
    throw new CbError("config", `${from}: auth_url is not an address: ${url}`, { hint: "https://HOST:5000/v3" });
  }
  const path = parsed.pathname.replace(/\/+$/, "");
  if (/\/v2(\.0)?$/.test(path) || /^2(\.0)?$/.test(String(version ?? 3))) {
    throw new CbError("config", `${from}: Keystone v2 is not supported, only v3`);
  }
  return `${parsed.origin}${/\/v3$/.test(path) ? path : `${path}/v3`}`;
}

/** Accepts the older spelling `publicURL` too. */
function interfaceOf({ interface: name, endpoint_type: old }: CloudSettings, from: string): Interface {
  const configured = (name ?? old ?? "public").replace(/URL$/, "");
  const found = INTERFACES.find((known) => known === configured);
  if (found !== undefined) return found;
  throw new CbError("config", `${from}: there is no interface ${configured}`, {
    hint: `one of ${INTERFACES.join(", ")}`,
  });
}
