import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  buildBucketStream,
  buildStream,
  inboxPrefix,
  storedSubjects,
  subjects,
} from "../../../lib/protocol/subjects.ts";

const test = suite("subjects");

const ID = "60c95481-92f3-4491-94d3-14c45bfbc279";

test("subjects contain the id or the user name", () => {
  assert.is(subjects.log(ID), `build.${ID}.log`);
  assert.is(subjects.queue("reserve", "ada"), "queue.reserve.ada");
});

test("subjects refuse a text that would widen the subject or inject protocol", () => {
  for (const bad of ["", "*", ">", "a.b", "a b", "a\r\nPUB x 0", ID.toUpperCase(), `${ID}.x`]) {
    assert.throws(() => subjects.log(bad), /not an id/);
    assert.throws(() => subjects.ask(bad), /not an id/);
    assert.throws(() => subjects.queue("reserve", bad), /not a user name/);
    assert.throws(() => inboxPrefix(bad), /not a public user key/);
  }
});

test("storedSubjects() knows the streams of a build, and no others", () => {
  assert.equal(storedSubjects(buildStream(ID)), [`build.${ID}.log`, `build.${ID}.state`]);
  assert.equal(storedSubjects(buildBucketStream(ID)), [`$O.build-${ID}.C.>`, `$O.build-${ID}.M.>`]);
  for (const other of ["KV_cb-builds", "builders", "build-x"]) assert.throws(() => storedSubjects(other), /not an id/);
});

test.run();
