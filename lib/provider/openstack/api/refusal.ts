/** Maps the status of a failed call to an error. The kinds are in the table of docs/openstack.md. */
import { CbError } from "../../../core/errors.ts";
import type { JsonReply } from "../../../core/http-json.ts";
import { RefusedError } from "../../provider.ts";
import { faultText } from "./fault-text.ts";

/**
 * Matches the messages of an exhausted quota, which nova sends with 403 and sometimes with 413: "Quota exceeded for instances:
 * Requested 1, …", "Maximum number of ports exceeded", "Quota exceeded, too many servers in group"; with unified limits "…
 * servers is over limit of 10 …".
 */
const QUOTA = /quota|exceeded|over limit/i;

/** A longer Retry-After is reduced to this, so that a wrong one does not stop a pool for hours. */
const RETRY_AFTER_MAX_MS = 5 * 60_000;

/**
 * The error for a reply that shows that the call had no effect; so not for the 5xx reply to a create, which leaves that open.
 * `subject` names the object of the call in the message: "this machine", "the listing of servers".
 */
export function refusalOf(reply: JsonReply, subject: string): CbError {
  const { status } = reply;
  const message = faultText(reply);
  if (status === 429 || (status === 413 && !/quota/i.test(message))) {
    const retryAfterMs = retryAfter(reply);
    const pause = retryAfterMs === undefined ? "" : `, retry after ${Math.ceil(retryAfterMs / 1000)} s`;
    return new RefusedError("infrastructure", `rate limit of the cloud${pause}`, { limit: "rate", retryAfterMs });
  }
  if ((status === 403 || status === 413) && QUOTA.test(message)) {
    return new RefusedError("infrastructure", quotaMessage(message), { limit: "quota" });
  }
  if (status === 403) return new RefusedError("denied", `the cloud does not allow ${subject}: ${message}`);
  if (status === 400) return new RefusedError("config", `the cloud does not accept ${subject}: ${message}`);
  if (status >= 400 && status < 500) return new RefusedError("infrastructure", `${subject}: ${status}, ${message}`);
  return new CbError("infrastructure", `${subject}: the cloud replies with status ${status}, ${message}`);
}

/** "quota, 20 of 20 instances" from nova's "… Requested 1, but already used 20 of 20 instances". */
function quotaMessage(message: string): string {
  const used = /already used ([\d, ]+) of ([\d, ]+) ([a-z_, ]+)/i.exec(message);
  if (used === null) return `quota: ${message}`;
  const [numbers, limits, names] = used.slice(1).map((list) => list.split(",").map((item) => item.trim()));
  const pairs = names?.map((name, n) => `${numbers?.[n]} of ${limits?.[n]} ${name}`) ?? [];
  return `quota, ${pairs.join(", ")}`;
}

/** The header has seconds or a date (RFC 9110, section 10.2.3); old versions of nova send it in the body only. */
function retryAfter({ headers, body }: JsonReply): number | undefined {
  const written = headers.get("retry-after")?.[0] ?? inBody(body);
  if (written === undefined) return undefined;
  const seconds = Number(written);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(written) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : undefined;
}

function inBody(body: unknown): string | undefined {
  const inner = (body as { overLimit?: { retryAfter?: unknown } } | undefined)?.overLimit?.retryAfter;
  return inner === undefined ? undefined : String(inner);
}
