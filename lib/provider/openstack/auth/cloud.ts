/** One cloud and a login for it, as clouds.yaml and the OS_* variables describe them. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { CbError, messageOf } from "../../../core/errors.ts";
import type { CloudSettings } from "./cloud-settings.ts";
import { type KeystoneLogin, loginOf } from "./login.ts";

const INTERFACES = ["public", "internal", "admin"] as const;
type Interface = (typeof INTERFACES)[number];

export interface Cloud {
  /** Where it was described, for error messages. */
  readonly from: string;
  /** Keystone's, ending with /v3. */
  readonly authUrl: string;
  readonly login: KeystoneLogin;
  /** None: the catalog has to have one region only. */
  readonly region?: string;
  readonly interface: Interface;
  /** The CA as PEM, in place of the system's. */
  readonly ca?: string;
  /** False where the operator has switched off the check of certificates. */
  readonly verify: boolean;
}

/** Throws CbError "config" naming the setting that is missing or wrong, and `from`. */
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
    ...(cacert === undefined ? {} : { ca: readCa(cacert, from) }),
  };
}

function noAuthUrl({ profile }: CloudSettings, from: string): CbError {
  const hint =
    profile === undefined
      ? "it is the address of Keystone: https://HOST:5000/v3"
      : `profiles (here ${profile}) are not looked up: write the auth_url of that cloud`;
  return new CbError("config", `${from}: auth_url is missing`, { hint });
}

/** Many write the address without its version, which Keystone takes for a question about versions. */
function keystoneV3(url: string, { identity_api_version: version }: CloudSettings, from: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "https:" && parsed?.protocol !== "http:") {
    throw new CbError("config", `${from}: auth_url is no address: ${url}`, { hint: "https://HOST:5000/v3" });
  }
  const path = parsed.pathname.replace(/\/+$/, "");
  if (/\/v2(\.0)?$/.test(path) || /^2(\.0)?$/.test(String(version ?? 3))) {
    throw new CbError("config", `${from}: Keystone v2 is not spoken here, only v3`);
  }
  return `${parsed.origin}${/\/v3$/.test(path) ? path : `${path}/v3`}`;
}

/** `publicURL` is how the interface was written once. */
function interfaceOf({ interface: name, endpoint_type: old }: CloudSettings, from: string): Interface {
  const wanted = (name ?? old ?? "public").replace(/URL$/, "");
  const found = INTERFACES.find((known) => known === wanted);
  if (found !== undefined) return found;
  throw new CbError("config", `${from}: there is no interface ${wanted}`, { hint: `one of ${INTERFACES.join(", ")}` });
}

function readCa(path: string, from: string): string {
  try {
    return readFileSync(path.replace(/^~(?=\/)/, homedir()), "utf8");
  } catch (cause) {
    throw new CbError("config", `${from}: cannot read the cacert ${path}: ${messageOf(cause)}`, { cause });
  }
}
