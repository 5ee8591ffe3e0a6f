import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PRINCIPAL_RATE_LIMIT, TokenBuckets } from "../../../../lib/nats/rpc/token-buckets.ts";

const test = suite("TokenBuckets");
const MIB = 1024 * 1024;

function bucketsAtZero() {
  const time = { ms: 0 };
  return { time, buckets: new TokenBuckets(PRINCIPAL_RATE_LIMIT, () => time.ms) };
}

/** How many of `times` requests are accepted. */
const accepted = (buckets: TokenBuckets, principal: string, times: number, bytes: number) =>
  Array.from({ length: times }, () => buckets.take(principal, bytes)).filter((taken) => taken).length;

test("take() accepts 16 MiB at once, then 1 MiB a second, and charges 1 KiB for each request", () => {
  const { time, buckets } = bucketsAtZero();
  assert.is(accepted(buckets, "mallory", 10_000, 1024), 8192);
  time.ms = 1;
  assert.not(buckets.take("mallory", 1024));
  time.ms = 2;
  assert.ok(buckets.take("mallory", 1024));
  time.ms = 1_002;
  assert.is(accepted(buckets, "mallory", 10_000, 1024), 512);
});

test("take() accepts a principal while another principal's bucket is empty", () => {
  const { buckets } = bucketsAtZero();
  accepted(buckets, "mallory", 10_000, 1024);
  assert.ok(buckets.take("ada", 4 * MIB));
  assert.not(buckets.take("mallory", 0));
});

test("untilAvailableMs() is the time until the bucket holds that many bytes, and charges nothing", () => {
  const { time, buckets } = bucketsAtZero();
  assert.is(buckets.untilAvailableMs("mallory", 16 * MIB), 0);
  accepted(buckets, "mallory", 8192, 1024);
  assert.is(buckets.untilAvailableMs("mallory", MIB), 1_000);
  assert.is(buckets.untilAvailableMs("ada", MIB), 0);
  time.ms = 999;
  assert.ok(buckets.untilAvailableMs("mallory", MIB) > 0);
  time.ms = 1_000;
  assert.is(buckets.untilAvailableMs("mallory", MIB), 0);
});

test("take() removes the entry of a principal at exactly 16 s after its last request", () => {
  const { time, buckets } = bucketsAtZero();
  for (let n = 0; n < 1_000; n++) buckets.take(`builder${n}`, 100);
  assert.is(buckets.size, 1_000);
  time.ms = 15_999;
  buckets.take("builder0", 100);
  assert.is(buckets.size, 1_000);
  time.ms = 16_000;
  buckets.take("builder1", 100);
  assert.is(buckets.size, 2);
});

test.run();
