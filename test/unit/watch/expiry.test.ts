import { suite } from "uvu";
import * as assert from "uvu/assert";
import { earliest, expiryWarnings } from "../../../lib/queue/watch/expiry.ts";

const test = suite("expiry");
const DAY_MS = 24 * 3_600_000;
const END_MS = Date.parse("2027-03-01T00:00:00Z");
const ca = { kind: "nats_ca", name: "the CA of NATS", endsAtMs: END_MS } as const;

test("expiryWarnings() begins exactly 60 days before the end", () => {
  assert.equal(expiryWarnings([ca], END_MS - 60 * DAY_MS - 1), []);
  assert.equal(expiryWarnings([ca], END_MS - 60 * DAY_MS), [
    "the CA of NATS ends on 2027-03-01, in 60 days; the operators must renew it",
  ]);
});

test("expiryWarnings() names the last days and the time after the end", () => {
  assert.match(expiryWarnings([ca], END_MS - DAY_MS)[0] ?? "", /in 1 day;/);
  assert.match(expiryWarnings([ca], END_MS - 1)[0] ?? "", /in less than a day;/);
  assert.match(expiryWarnings([ca], END_MS)[0] ?? "", /ended on 2027-03-01;/);
});

test("earliest() keeps the first end of each kind", () => {
  const server = { kind: "nats_server", name: "a", endsAtMs: 2 } as const;
  assert.equal(earliest([server, ca, { ...server, name: "b", endsAtMs: 1 }]), [
    { ...server, name: "b", endsAtMs: 1 },
    ca,
  ]);
});

test.run();
