import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VERSION } from "../../../lib/core/version.ts";

const test = suite("version");

test("VERSION equals the version in package.json", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  assert.is(VERSION, version);
});

test.run();
