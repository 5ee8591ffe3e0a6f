/** Checks that NATS accepts the credential, that the queue answers, and that the clocks agree. */
import type { NatsConnection } from "nats";
import { CLOCK_MAX_MS, clockDifferenceMs } from "../../core/clock-difference.ts";
import { connectNats, type NatsAddress } from "../../nats/connection.ts";
import type { Creds } from "../../nats/credentials/creds.ts";
import { call } from "../../nats/rpc/client.ts";
import { builds } from "../../protocol/requests.ts";
import { type Check, failed, failure, ok, skipped, warning } from "./check.ts";

/** As a session's first reply (session.ts). */
const REPLY_MS = 4_500;

/** A clock that NTP keeps is right within a second; a slow reply adds less than half of REPLY_MS. */
const CLOCK_WARNING_MS = 5_000;

const OPERATOR = "tell your operator";

export async function* checkQueue(address: NatsAddress, creds: Creds): AsyncGenerator<Check> {
  let nc: NatsConnection;
  try {
    nc = await connectNats({ address, credential: creds, name: `container-builder doctor ${creds.name}` });
  } catch (error) {
    yield failed("login", error, OPERATOR);
    yield* [skipped("queue"), skipped("clock")];
    return;
  }
  try {
    yield ok("login", `NATS accepts the credential of ${creds.name}`);
    const sentMs = Date.now();
    const reply = await call(builds, { nc, principal: creds.name, request: { v: 1 }, timeoutMs: REPLY_MS });
    const receivedMs = Date.now();
    yield ok("queue", `answers within ${Math.max(1, receivedMs - sentMs)} ms`);
    yield clock(clockDifferenceMs({ sentMs, receivedMs, remoteMs: reply.nowMs }));
  } catch (error) {
    yield failed("queue", error, OPERATOR);
    yield skipped("clock");
  } finally {
    await nc.close();
  }
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
