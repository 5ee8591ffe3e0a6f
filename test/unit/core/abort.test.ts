import { suite } from "uvu";
import * as assert from "uvu/assert";
import { unlessAborted } from "../../../lib/core/abort.ts";

const test = suite("abort");

const never = (): Promise<never> => new Promise(() => undefined);

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.unreachable("it resolved"),
    (error: unknown) => error,
  );
}

test("unlessAborted() settles as its work does", async () => {
  const { signal } = new AbortController();
  assert.is(await unlessAborted(Promise.resolve(7), signal), 7);
  assert.is(await reasonOf(unlessAborted(Promise.reject("failed"), signal)), "failed");
});

test("unlessAborted() rejects with the signal's reason, before and during the work", async () => {
  const controller = new AbortController();
  const waiting = unlessAborted(never(), controller.signal);
  controller.abort("stop");
  assert.is(await reasonOf(waiting), "stop");
  assert.is(await reasonOf(unlessAborted(never(), controller.signal)), "stop");
});

test("unlessAborted() handles a late rejection of abandoned work", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): number => unhandled.push(reason);
  process.on("unhandledRejection", note);
  let fail: (reason: string) => void = () => undefined;
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  await reasonOf(unlessAborted(work, AbortSignal.abort("stop")));
  fail("late");
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  assert.equal(unhandled, []);
});

test.run();
