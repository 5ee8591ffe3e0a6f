/** Checks the credential file without a connection. */
import { existsSync } from "node:fs";
import { type Creds, readCreds, refuseOtherAccount } from "../../nats/credentials/creds.ts";
import { exposureOf } from "../../nats/credentials/creds-mode.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";

const DAY_MS = 24 * 3_600_000;
/** A month: an operator makes a new one within days, but a user may be away. */
const WARNING_MS = 30 * DAY_MS;

const NEW = "ask your operator for a new credential";

export interface CredentialResult {
  readonly checks: readonly Check[];
  /** Absent when it cannot be used. */
  readonly creds?: Creds;
}

/** `account`: the one that it must belong to, if the settings name it. */
export async function checkCredential(
  path: string,
  account: string | undefined,
  nowMs: number,
): Promise<CredentialResult> {
  try {
    const creds = await readCreds(path, nowMs);
    if (account !== undefined) refuseOtherAccount(creds, { path, account });
    return { checks: [lifetime(creds, path, nowMs), await permissions(path)], creds };
  } catch (error) {
    return { checks: [failed("credential", error, NEW), await permissions(path)] };
  }
}

/** Exported for its test. */
export function lifetime(
  { name, expiresAtMs }: Pick<Creds, "name" | "expiresAtMs">,
  path: string,
  nowMs: number,
): Check {
  if (expiresAtMs === undefined) return ok("credential", `of ${name}, does not expire (${path})`);
  const text = `of ${name}, valid until ${new Date(expiresAtMs).toISOString().slice(0, 16).replace("T", " ")} UTC (${path})`;
  return expiresAtMs - nowMs > WARNING_MS ? ok("credential", text) : warning("credential", text, NEW);
}

async function permissions(path: string): Promise<Check> {
  if (!existsSync(path)) return skipped("permissions");
  const [text, remedy] = ((await exposureOf(path)) ?? "").split(": ");
  return text === undefined || remedy === undefined
    ? ok("permissions", "no other user can read the credential")
    : warning("permissions", text, remedy);
}
