import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AgentRequest } from "../../../../lib/protocol/builder-messages.ts";
import { ParkedRequests } from "../../../../lib/queue/leases/parked-requests.ts";

const test = suite("parked asks");

const ready = (builder: string): AgentRequest => ({ v: 1, builder, publicKey: "U", state: "ready" });

test("ParkedAsks.answer() answers the parked question, once", async () => {
  const parked = new ParkedRequests();
  const answer = parked.park(ready("a"));
  assert.ok(parked.answer("a", { v: 1, order: "stop", reason: "test" }));
  assert.is((await answer).order, "stop");
  assert.not(parked.answer("a", { v: 1, order: "none" }));
});

test("ParkedAsks.park() answers an older question of the same builder with none", async () => {
  const parked = new ParkedRequests();
  const first = parked.park(ready("a"));
  const second = parked.park(ready("a"));
  assert.is((await first).order, "none");
  parked.answer("a", { v: 1, order: "space-reserved" });
  assert.is((await second).order, "space-reserved");
});

test("ParkedAsks.ready() lists those that could take a build, the longest parked first", () => {
  const parked = new ParkedRequests();
  void parked.park(ready("a"));
  void parked.park({ v: 1, builder: "b", publicKey: "U", state: "building", build: "x" });
  void parked.park(ready("c"));
  assert.equal(
    parked.ready().map(({ builder }) => builder),
    ["a", "c"],
  );
  parked.clear();
  assert.equal(parked.ready(), []);
});

test.run();
