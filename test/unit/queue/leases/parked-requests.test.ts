import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AgentRequest } from "../../../../lib/protocol/builder-messages.ts";
import { ParkedRequests } from "../../../../lib/queue/leases/parked-requests.ts";

const test = suite("ParkedRequests");

const ready = (builder: string): AgentRequest => ({ v: 1, builder, publicKey: "U", state: "ready" });

test("reply() resolves the parked request, once", async () => {
  const parked = new ParkedRequests();
  const reply = parked.park(ready("a"));
  assert.ok(parked.reply("a", { v: 1, order: "stop", reason: "test" }));
  assert.is((await reply).order, "stop");
  assert.not(parked.reply("a", { v: 1, order: "none" }));
});

test("park() replies none to an older request of the same builder", async () => {
  const parked = new ParkedRequests();
  const first = parked.park(ready("a"));
  const second = parked.park(ready("a"));
  assert.is((await first).order, "none");
  parked.reply("a", { v: 1, order: "space-reserved" });
  assert.is((await second).order, "space-reserved");
});

test("ready() lists the requests of ready builders, the longest parked first", () => {
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
