import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkedId, subjects } from "../../../lib/bus/names.ts";

const test = suite("names");

test("checkedId() takes what randomUUID makes", () => {
  const id = randomUUID();
  assert.is(subjects.builderState(id), `builder.${id}.state`);
});

test("checkedId() throws on everything else", () => {
  const id = randomUUID();
  const bad = [
    "",
    "*",
    ">",
    "a.b",
    id.toUpperCase(),
    ` ${id}`,
    `${id}\n`,
    `${id}\r\nPUB x 0\r\n`,
    id.slice(1),
    `${id}.x`,
  ];
  for (const one of bad) assert.throws(() => checkedId(one), "is no id", JSON.stringify(one));
});

test.run();
