import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inboxPrefix, subjects } from "../../../lib/protocol/subjects.ts";

const test = suite("names");

const ID = "60c95481-92f3-4491-94d3-14c45bfbc279";

test("subjects are made of ids and user names", () => {
  assert.is(subjects.log(ID), `build.${ID}.log`);
  assert.is(subjects.queue("reserve", "ada"), "queue.reserve.ada");
});

test("subjects refuse whatever would be another subject, more rights, or protocol", () => {
  for (const bad of ["", "*", ">", "a.b", "a b", "a\r\nPUB x 0", ID.toUpperCase(), `${ID}.x`]) {
    assert.throws(() => subjects.log(bad), /not an id/);
    assert.throws(() => subjects.ask(bad), /not an id/);
    assert.throws(() => subjects.queue("reserve", bad), /not a user name/);
    assert.throws(() => inboxPrefix(bad), /not a public user key/);
  }
});

test.run();
