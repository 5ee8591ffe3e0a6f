import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PRINCIPAL_RATE_LIMIT, TokenBuckets } from "../../../../lib/nats/rpc/token-buckets.ts";

const test = suite("Shares");
const MIB = 1024 * 1024;

function scene() {
  const time = { ms: 0 };
  return { time, shares: new TokenBuckets(PRINCIPAL_RATE_LIMIT, () => time.ms) };
}

const takes = (shares: TokenBuckets, principal: string, times: number, bytes: number) =>
  Array.from({ length: times }, () => shares.take(principal, bytes)).filter((got) => got).length;

test("take() gives 16 MiB at once, each question counted with 1 KiB more, and 1 MiB a second from then on", () => {
  const { time, shares } = scene();
  assert.is(takes(shares, "mallory", 10_000, 1024), 8192);
  time.ms = 1;
  assert.not(shares.take("mallory", 1024));
  time.ms = 2;
  assert.ok(shares.take("mallory", 1024));
  time.ms = 1_002;
  assert.is(takes(shares, "mallory", 10_000, 1024), 512);
});

test("take() gives to one what another has not got any more", () => {
  const { shares } = scene();
  takes(shares, "mallory", 10_000, 1024);
  assert.ok(shares.take("ada", 4 * MIB));
  assert.not(shares.take("mallory", 0));
});

test("untilRoomMs() is the time until that many bytes fit, and takes nothing", () => {
  const { time, shares } = scene();
  assert.is(shares.untilAvailableMs("mallory", 16 * MIB), 0);
  takes(shares, "mallory", 8192, 1024);
  assert.is(shares.untilAvailableMs("mallory", MIB), 1_000);
  assert.is(shares.untilAvailableMs("ada", MIB), 0);
  time.ms = 999;
  assert.ok(shares.untilAvailableMs("mallory", MIB) > 0);
  time.ms = 1_000;
  assert.is(shares.untilAvailableMs("mallory", MIB), 0);
});

test("take() forgets whoever has taken nothing for sixteen seconds", () => {
  const { time, shares } = scene();
  for (let n = 0; n < 1_000; n++) shares.take(`builder${n}`, 100);
  assert.is(shares.size, 1_000);
  time.ms = 15_999;
  shares.take("builder0", 100);
  assert.is(shares.size, 1_000);
  time.ms = 16_000;
  shares.take("builder1", 100);
  assert.is(shares.size, 2);
});

test.run();
