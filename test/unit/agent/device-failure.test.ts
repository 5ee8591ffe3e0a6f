import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deviceFailure } from "../../../agent/device-failure.ts";

const test = suite("device failure");

test("deviceFailure() returns the remedy for the messages of mknod, cp and tar", () => {
  for (const message of [
    "mknod: /image/dev/null: Operation not permitted",
    "mknod: /dev/loop9: Operation not permitted\r",
    "cp: cannot create special file '/image/null': Operation not permitted",
    "tar: dev/null: Cannot mknod: Operation not permitted",
  ])
    assert.match(deviceFailure(`+ x\n${message}\nFATAL: While performing build: exit status 1\n`) ?? "", "mknod");
});

test("deviceFailure() ignores other failures", () => {
  for (const output of [
    "",
    "mknod: missing operand\n",
    "chown: x: Operation not permitted\n",
    "mknod: x: File exists\n",
  ])
    assert.is(deviceFailure(output), undefined);
});

test.run();
