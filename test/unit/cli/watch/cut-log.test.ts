import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endOfCutLog, finalStateError } from "../../../../lib/cli/watch/cut-log.ts";
import { LogCut } from "../../../../lib/cli/watch/follow.ts";
import { CbError } from "../../../../lib/core/errors.ts";
import type { BuildEntry } from "../../../../lib/protocol/builds-messages.ts";

const test = suite("cut log");

const BUILD = "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b";
const cut = new LogCut(BUILD);

/** The error of a cut log when the queue lists these builds; undefined: it does not answer. */
const endOf = (builds: readonly object[] | undefined): Promise<CbError> => {
  const request = async () => {
    if (builds === undefined) throw new CbError("unreachable", "the queue does not answer");
    return { v: 1, nowMs: 0, builds };
  };
  return endOfCutLog({ request: request as never }, cut);
};

const entry = (state: BuildEntry["state"], reason?: string): object => ({ build: BUILD, state, name: "x", reason });

test("endOfCutLog() ends as the queue's record says, and names the cut", async () => {
  const ends = {
    failed: ["recipe", /^the build failed: no space \(the log of build \S+ is cut/],
    cancelled: ["cancelled", /^the build was no space \(the log/],
    lost: ["infrastructure", /^the build was lost: no space \(the log/],
  } as const;
  for (const [state, [kind, message]] of Object.entries(ends)) {
    const error = await endOf([entry(state as BuildEntry["state"], "no space")]);
    assert.is(error.kind, kind, state);
    assert.match(error.message, message);
  }
});

test("endOfCutLog() after a success refuses the image, because its digest is lost", async () => {
  const error = await endOf([entry("succeeded")]);
  assert.is(error.kind, "infrastructure");
  assert.match(error.message, "the build succeeded, but the digest of its image is lost");
  assert.is(error.hint, "build again");
});

test("endOfCutLog() is the cut itself without a record of an end", async () => {
  const others = [undefined, [], [entry("leased")], [entry("waiting")], [{ ...entry("failed", ""), build: "other" }]];
  for (const builds of others) assert.is(await endOf(builds), cut);
});

test("finalStateError() suggests a retry, except when the recipe may have ended the agent", () => {
  assert.is(finalStateError("lost", "its machine is gone").hint, "the same call may work now");
  assert.match(
    finalStateError("lost", "the agent was ended by SIGKILL (…)").hint ?? "",
    "does the recipe end processes",
  );
});

test.run();
