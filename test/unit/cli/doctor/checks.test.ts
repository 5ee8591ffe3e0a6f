import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Check, checkLine, failed } from "../../../../lib/cli/doctor/check.ts";
import { lifetime } from "../../../../lib/cli/doctor/check-credential.ts";
import { space } from "../../../../lib/cli/doctor/check-folder.ts";
import { clock, secrets } from "../../../../lib/cli/doctor/check-queue.ts";
import { checksOf, tlsFailure } from "../../../../lib/cli/doctor/check-server.ts";

const test = suite("doctor");
const DAY_MS = 24 * 3_600_000;

test("lifetime() warns from 30 days before the end of the credential", () => {
  const state = (leftMs: number) => lifetime({ name: "ada", expiresAtMs: 1e12 + leftMs }, "/c", 1e12).state;
  assert.equal([state(30 * DAY_MS + 1), state(30 * DAY_MS)], ["ok", "warn"]);
  assert.match(lifetime({ name: "ada" }, "/c", 0).text, "does not expire");
  assert.match(lifetime({ name: "ada", expiresAtMs: 0 }, "/c", 0).text, "valid until 1970-01-01 00:00 UTC");
});

test("space() warns below 1 GiB", () => {
  assert.equal([space("/f", 1).state, space("/f", 0.99).state], ["ok", "warn"]);
});

test("clock() warns beyond 5 s and fails beyond 5 min, in both directions", () => {
  const states = (ms: number) => [clock(ms).state, clock(-ms).state];
  assert.equal(states(5_000), ["ok", "ok"]);
  assert.equal(states(5_001), ["warn", "warn"]);
  assert.equal(states(300_000), ["warn", "warn"]);
  assert.equal(states(300_001), ["fail", "fail"]);
  assert.match(clock(60_000).text, "60 s ahead of the queue's");
  assert.match(clock(-60_000).text, "60 s behind the queue's");
});

test("secrets() warns when the settings have another sealing key than the queue publishes", () => {
  assert.is(secrets(undefined, undefined).state, "ok");
  assert.is(secrets(undefined, "new").state, "ok");
  assert.is(secrets("new", "new").state, "ok");
  const { state, text, remedy } = secrets("old", "new");
  assert.equal([state, text], ["warn", 'the setting "sealingKey" is not the queue\'s newest key']);
  assert.match(remedy ?? "", "the site's config.yaml has the new one");
});

test("tlsFailure() names the setting that is wrong, or the clock", () => {
  assert.match(tlsFailure("SELF_SIGNED_CERT_IN_CHAIN").remedy, '"ca" (or NATS_CA)');
  assert.match(tlsFailure("UNABLE_TO_VERIFY_LEAF_SIGNATURE").remedy, '"ca" (or NATS_CA)');
  assert.match(
    tlsFailure("Hostname/IP does not match certificate's altnames").remedy,
    '"servername" (or NATS_SERVERNAME)',
  );
  assert.match(tlsFailure("CERT_HAS_EXPIRED").remedy, "clock");
  assert.is(tlsFailure("CERT_NOT_YET_VALID").kind, "unreachable");
});

const good: Check[] = [{ name: "DNS", state: "ok", text: "" }];
const bad: Check[] = [
  { name: "DNS", state: "fail", text: "", remedy: "r", kind: "unreachable" },
  { name: "TCP", state: "skipped", text: "" },
];

test("checksOf() makes failures warnings when another server answers", () => {
  assert.equal(checksOf([bad]), bad);
  assert.equal(checksOf([bad, bad]), [...bad, ...bad]);
  assert.equal(checksOf([good, bad]), [...good, { name: "DNS", state: "warn", text: "", remedy: "r" }, bad[1]]);
});

test("checkLine() puts the remedy below the text", () => {
  assert.is(
    checkLine({ name: "TLS", state: "fail", text: "t", remedy: "r" }),
    `FAIL  TLS          t\n${" ".repeat(19)}r\n`,
  );
  assert.is(checkLine({ name: "permissions", state: "ok", text: "t" }), "ok    permissions  t\n");
});

test("failed() throws an error that is a bug", () => {
  assert.throws(() => failed("TLS", new TypeError("x"), "r"), TypeError);
});

test.run();
