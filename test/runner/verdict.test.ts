import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Ending, type SuiteCount, verdictOf } from "./verdict.ts";

const test = suite("test/runner/verdict");

function count(passed: number, total: number, skipped = 0): SuiteCount {
  return { passed, total, skipped };
}

function ending(changes: Partial<Ending>): Ending {
  const good = { suites: [count(3, 3)], declaredSuites: 1, exit: { code: 0, signal: null } };
  return { ...good, stopped: undefined, leftovers: [], skipsFail: false, ...changes };
}

test("verdictOf() passes a file when all its tests passed", () => {
  assert.equal(verdictOf(ending({})), { passed: 3, failed: 0, skipped: 0, problems: [] });
});

test("verdictOf() counts each test that did not pass once, for exit code 0 and 1", () => {
  for (const code of [0, 1]) {
    const verdict = verdictOf(ending({ suites: [count(1, 3), count(2, 2)], exit: { code, signal: null } }));
    assert.is(verdict.passed, 3);
    assert.is(verdict.failed, 2);
    assert.is(verdict.problems.length, 1);
  }
});

test("verdictOf() fails a file without tests, without counts, or with a suite that never ran", () => {
  assert.is(verdictOf(ending({ suites: [count(0, 0)] })).failed, 1);
  assert.is(verdictOf(ending({ suites: [], declaredSuites: 0 })).failed, 1);
  assert.is(verdictOf(ending({ suites: undefined })).failed, 1);
  assert.is(verdictOf(ending({ declaredSuites: 2 })).failed, 1);
});

test("verdictOf() accepts more suites than the source declares, as of a contract that runs once a provider", () => {
  assert.is(verdictOf(ending({ suites: [count(1, 1), count(1, 1)], declaredSuites: 1 })).failed, 0);
});

test("verdictOf() fails on an exit code, a signal, a stop and each leftover", () => {
  assert.is(verdictOf(ending({ exit: { code: 1, signal: null } })).failed, 1);
  assert.is(verdictOf(ending({ exit: { code: null, signal: "SIGSEGV" } })).failed, 1);
  assert.is(verdictOf(ending({ stopped: "it did not end within 1 s" })).failed, 1);
  assert.is(verdictOf(ending({ leftovers: ["a process", "a mount"] })).failed, 2);
});

test("verdictOf() fails on skipped tests only when skipsFail is set", () => {
  const suites = [count(2, 2, 1)];
  assert.is(verdictOf(ending({ suites })).failed, 0);
  assert.is(verdictOf(ending({ suites })).skipped, 1);
  assert.is(verdictOf(ending({ suites, skipsFail: true })).failed, 1);
});

test.run();
