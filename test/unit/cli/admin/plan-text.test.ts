import { suite } from "uvu";
import * as assert from "uvu/assert";
import { planText } from "../../../../lib/cli/admin/plan-text.ts";
import type { Action } from "../../../../lib/pool/reconciler/observation.ts";
import { actionText } from "../../../../lib/queue/api/admin-plan.ts";

const test = suite("plan text");

test("planText() shows each action with its reason, why the reserve is short, and the next pass", () => {
  const actions = [{ what: "create a builder in slot 2", reason: "1 ready" }];
  const pools = [
    { name: "a", actions, reason: "1 builder booting", nextPassAtMs: 3_200 },
    { name: "b", actions: [], reason: "", nextPassAtMs: 500 },
  ];
  assert.is(
    planText({ v: 1, nowMs: 1_000, pools }),
    `pool a: 1 builder booting
  create a builder in slot 2
    reason: 1 ready
  next pass in 2.2 s, or at the next event
pool b: in the desired state
  no actions
  next pass in 0.0 s, or at the next event
`,
  );
});

test("actionText() describes every kind of action differently", () => {
  const about = { builder: "b", revision: 1, reason: "r", host: "h", build: "x", slot: 3, failure: false };
  const kinds = ["create", "noteMachine", "destroyUnrecorded", "gone", "freeSlot", "lost", "report"] as const;
  const actions: Action[] = kinds.map((kind) => ({ ...about, kind }) as Action);
  for (const call of [true, false]) actions.push({ ...about, kind: "destroy", call });
  const texts = actions.map(actionText);
  assert.is(new Set(texts).size, actions.length);
  for (const text of texts) assert.match(text, /\b(b|3)\b/);
});

test.run();
