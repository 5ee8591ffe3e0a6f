/** The ends of certificates and credentials, and the warnings before them. Pure. */

type ExpiryKind = "nats_ca" | "nats_server" | "queue_credential";

export interface Expiry {
  readonly kind: ExpiryKind;
  /** For messages, without a path: users read the warning too. */
  readonly name: string;
  readonly endsAtMs: number;
}

const DAY_MS = 24 * 3_600_000;
/** Two months: a new certificate of a site's own CA takes weeks where several departments take part. */
const WARNING_MS = 60 * DAY_MS;

/** True from 60 days before the end: the log, cb-status and `cb-admin site check` warn. */
export const endsSoon = (endsAtMs: number, nowMs: number): boolean => endsAtMs - nowMs <= WARNING_MS;

/** The earliest of each kind. */
export function earliest(expiries: readonly Expiry[]): Expiry[] {
  const byKind = new Map<ExpiryKind, Expiry>();
  for (const expiry of expiries) {
    const known = byKind.get(expiry.kind);
    if (known === undefined || expiry.endsAtMs < known.endsAtMs) byKind.set(expiry.kind, expiry);
  }
  return [...byKind.values()];
}

/** A sentence for each that ends within 60 days, or has ended. */
export function expiryWarnings(expiries: readonly Expiry[], nowMs: number): string[] {
  return expiries.flatMap(({ name, endsAtMs }) => {
    if (!endsSoon(endsAtMs, nowMs)) return [];
    const leftMs = endsAtMs - nowMs;
    const date = new Date(endsAtMs).toISOString().slice(0, 10);
    const when = leftMs <= 0 ? `ended on ${date}` : `ends on ${date}, in ${days(leftMs)}`;
    return [`${name} ${when}; the operators must renew it`];
  });
}

function days(ms: number): string {
  const count = Math.floor(ms / DAY_MS);
  if (count === 0) return "less than a day";
  return `${count} day${count === 1 ? "" : "s"}`;
}
