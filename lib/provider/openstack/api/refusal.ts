/** What a status other than success means for whoever asked. The kinds are in the table of docs/openstack.md. */
import { CbError } from "../../../core/errors.ts";
import { RefusedError } from "../../provider.ts";
import { faultText } from "./fault-text.ts";
import type { HttpReply } from "./http.ts";

/**
 * The texts of refusals for want of quota, which nova gives with 403, and now and then with 413. "Quota exceeded for
 * instances: Requested 1, …", "Maximum number of ports exceeded", "Quota exceeded, too many servers in group"; with unified limits "…
 * servers is over limit of 10 …".
 */
const QUOTA = /quota|exceeded|over limit/i;

/** A refusal that asks for more than that is one for people to look at. */
const RETRY_AFTER_MAX_MS = 5 * 60_000;

/** Of a call that changed nothing: any but a create's 5xx. `what` is what was asked for, with the name of the cloud. */
export function refusalOf(answer: HttpReply, what: string): CbError {
  const { status } = answer;
  const words = faultText(answer);
  if (status === 429 || (status === 413 && !/quota/i.test(words))) {
    const retryAfterMs = retryAfter(answer);
    const pause = retryAfterMs === undefined ? "" : `, which asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
    return new RefusedError("infrastructure", `rate limit of the cloud${pause}`, { limit: "rate", retryAfterMs });
  }
  if ((status === 403 || status === 413) && QUOTA.test(words)) {
    return new RefusedError("infrastructure", quotaWords(words), { limit: "quota" });
  }
  if (status === 403) return new RefusedError("denied", `the cloud does not allow ${what}: ${words}`);
  if (status === 400) return new RefusedError("config", `the cloud does not take ${what}: ${words}`);
  if (status >= 400 && status < 500) return new RefusedError("infrastructure", `${what}: ${status}, ${words}`);
  return new CbError("infrastructure", `${what}: the cloud answers ${status}, ${words}`);
}

/** "quota, 20 of 20 instances" from nova's "… Requested 1, but already used 20 of 20 instances". */
function quotaWords(words: string): string {
  const used = /already used ([\d, ]+) of ([\d, ]+) ([a-z_, ]+)/i.exec(words);
  if (used === null) return `quota: ${words}`;
  const [numbers, most, names] = used.slice(1).map((list) => list.split(",").map((one) => one.trim()));
  const pairs = names?.map((name, n) => `${numbers?.[n]} of ${most?.[n]} ${name}`) ?? [];
  return `quota, ${pairs.join(", ")}`;
}

/** Seconds, or a date (RFC 9110, 10.2.3); older novas write it into the body alone. */
function retryAfter({ headers, body }: HttpReply): number | undefined {
  const written = headers.get("retry-after") ?? inBody(body);
  if (written === undefined) return undefined;
  const seconds = Number(written);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(written) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : undefined;
}

function inBody(body: unknown): string | undefined {
  const inner = (body as { overLimit?: { retryAfter?: unknown } } | undefined)?.overLimit?.retryAfter;
  return inner === undefined ? undefined : String(inner);
}
