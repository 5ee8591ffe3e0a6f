/** Checks that NATS accepts the credential, that the queue answers, and that the clocks agree. */
import type { NatsConnection } from "nats";
import { CLOCK_MAX_MS, clockDifferenceMs } from "../../core/clock-difference.ts";
import { connectNats, type NatsAddress } from "../../nats/connection.ts";
import type { Creds } from "../../nats/credentials/creds.ts";
import { call } from "../../nats/rpc/client.ts";
import { builds, status } from "../../protocol/requests.ts";
import { type Check, failed, failure, ok, skipped, warning } from "./check.ts";

/** As a session's first reply (session.ts). */
const REPLY_MS = 4_500;

/** A clock that NTP keeps is right within a second; a slow reply adds less than half of REPLY_MS. */
const CLOCK_WARNING_MS = 5_000;

const OPERATOR = "tell your operator";

export const AFTER_LOGIN = ["queue", "clock", "secrets"];

/** `sealingKey`: the one in the settings, if they have it. */
export async function* checkQueue(
  address: NatsAddress,
  creds: Creds,
  sealingKey: string | undefined,
): AsyncGenerator<Check> {
  let nc: NatsConnection;
  try {
    nc = await connectNats({ address, credential: creds, name: `container-builder doctor ${creds.name}` });
  } catch (error) {
    yield failed("login", error, OPERATOR);
    yield* AFTER_LOGIN.map(skipped);
    return;
  }
  try {
    yield ok("login", `NATS accepts the credential of ${creds.name}`);
    const sentMs = Date.now();
    const asking = { nc, principal: creds.name, request: { v: 1 }, timeoutMs: REPLY_MS } as const;
    const reply = await call(builds, asking);
    const receivedMs = Date.now();
    yield ok("queue", `answers within ${Math.max(1, receivedMs - sentMs)} ms`);
    yield clock(clockDifferenceMs({ sentMs, receivedMs, remoteMs: reply.nowMs }));
    yield secrets(sealingKey, (await call(status, asking)).sealingKey);
  } catch (error) {
    yield failed("queue", error, OPERATOR);
    yield* ["clock", "secrets"].map(skipped);
  } finally {
    await nc.close();
  }
}

/** `own`: the key in the settings. `published`: the queue's newest. Exported for its test. */
export function secrets(own: string | undefined, published: string | undefined): Check {
  if (published === undefined) return ok("secrets", "the queue takes none");
  if (own === undefined) return ok("secrets", "they are sealed to the key that the queue publishes");
  if (own === published) return ok("secrets", "they are sealed to the queue's key, which the settings have");
  const text = 'the setting "sealingKey" is not the queue\'s newest key';
  return warning(
    "secrets",
    text,
    `${OPERATOR}: the site's config.yaml has the new one; container-builder config shows yours`,
  );
}

/** `differenceMs`: this machine's clock less the queue's. Exported for its test. */
export function clock(differenceMs: number): Check {
  const seconds = Math.abs(differenceMs) / 1000;
  if (seconds * 1000 <= CLOCK_WARNING_MS)
    return ok("clock", `within ${Math.max(1, Math.ceil(seconds))} s of the queue's`);
  const text = `this machine's clock is ${Math.round(seconds)} s ${differenceMs > 0 ? "ahead of" : "behind"} the queue's`;
  const remedy = "set it by NTP: timedatectl set-ntp true; certificates and credentials are valid by the clock";
  return seconds * 1000 <= CLOCK_MAX_MS
    ? warning("clock", text, remedy)
    : failure("clock", { text, remedy, kind: "config" });
}
