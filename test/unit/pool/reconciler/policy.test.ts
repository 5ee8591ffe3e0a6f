import { suite } from "uvu";
import * as assert from "uvu/assert";
import { backoffAfterFailure, delayMs, NO_BACKOFF } from "../../../../lib/pool/reconciler/memory.ts";
import { DEFAULT_POLICY, poolPolicy } from "../../../../lib/pool/reconciler/policy.ts";

const test = suite("policy and backoff");

test("poolPolicy() accepts its defaults and applies changes", () => {
  assert.equal(poolPolicy(), DEFAULT_POLICY);
  assert.is(poolPolicy({ reserveTarget: 0 }).reserveTarget, 0);
});

test("poolPolicy() names every invalid value", () => {
  const wrong = { totalMax: 0, reserveTarget: -1, createGraceMs: 2 * DEFAULT_POLICY.callTimeoutMs - 1, relistMs: 0.5 };
  assert.throws(() => poolPolicy(wrong), /reserveTarget is -1.*relistMs is 0.5.*totalMax is below 1.*createGraceMs/);
  assert.equal(poolPolicy({ createGraceMs: 60_000, callTimeoutMs: 30_000 }).createGraceMs, 60_000);
});

test("delayMs() is 0 for no failure, firstMs for one, then doubles up to maxMs", () => {
  const policy = { firstMs: 100, maxMs: 350 };
  assert.equal(
    [0, 1, 2, 3, 1e9].map((n) => delayMs(n, policy)),
    [0, 100, 200, 350, 350],
  );
});

test("backoffAfterFailure() counts failures in a row and keeps the last reason", () => {
  const policy = { firstMs: 100, maxMs: 1000 };
  const once = backoffAfterFailure(NO_BACKOFF, "a", policy, 50);
  assert.equal(backoffAfterFailure(once, "b", policy, 60), {
    failures: 2,
    reason: "b",
    lastFailureMs: 60,
    untilMs: 160,
  });
});

test.run();
