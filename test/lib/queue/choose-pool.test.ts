import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/errors.ts";
import { choosePool } from "../../../lib/queue/choose-pool.ts";

const test = suite("choose pool");

const pools = [
  { name: "small", arch: "x86_64" },
  { name: "large", arch: "x86_64" },
  { name: "summit", arch: "ppc64le" },
];

test("choosePool() takes the first pool of the architecture, and the first of all when none is asked for", () => {
  assert.is(choosePool(pools, "x86_64"), "small");
  assert.is(choosePool(pools, "ppc64le"), "summit");
  assert.is(choosePool(pools, undefined), "small");
});

test("choosePool() lists the pools when there is none of that architecture", () => {
  try {
    choosePool(pools, "aarch64");
    assert.unreachable();
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    assert.is(error.kind, "usage");
    assert.is(error.message, "no pool builds for aarch64");
    assert.is(error.hint, "the pools are: small (x86_64), large (x86_64), summit (ppc64le)");
  }
});

test.run();
