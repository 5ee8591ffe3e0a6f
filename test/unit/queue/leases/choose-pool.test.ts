import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { choosePool } from "../../../../lib/queue/leases/choose-pool.ts";

const test = suite("choose pool");

const pools = [
  { name: "small", arch: "x86_64" },
  { name: "large", arch: "x86_64" },
  { name: "summit", arch: "ppc64le" },
];

test("choosePool() takes the first pool of the architecture, or the first of all without one", () => {
  assert.is(choosePool(pools, { arch: "x86_64" }), "small");
  assert.is(choosePool(pools, { arch: "ppc64le" }), "summit");
  assert.is(choosePool(pools, {}), "small");
});

test("choosePool() takes the named pool if it builds for the architecture", () => {
  assert.is(choosePool(pools, { pool: "large" }), "large");
  assert.is(choosePool(pools, { pool: "summit", arch: "ppc64le" }), "summit");
});

test("choosePool() passes a drained pool over for another one of its architecture", () => {
  const drained = (...names: string[]) => [{}, (name: string) => names.includes(name)] as const;
  assert.is(choosePool(pools, ...drained("small")), "large");
  assert.is(choosePool(pools, ...drained("large")), "small");
  assert.is(choosePool(pools, ...drained("small", "large")), "small");
  assert.is(
    choosePool(pools, { pool: "small" }, () => true),
    "small",
  );
});

test("choosePool() takes the first pool with the wanted GPU, and any for a build without the wish", () => {
  const withGpus = [...pools, { name: "gpus", arch: "x86_64", gpu: "nvidia" as const }];
  assert.is(choosePool(withGpus, { gpu: "nvidia" }), "gpus");
  assert.is(choosePool(withGpus, { gpu: "nvidia", arch: "x86_64", pool: "gpus" }), "gpus");
  assert.is(choosePool(withGpus, { pool: "gpus" }), "gpus");
  const refusal = (requirements: Parameters<typeof choosePool>[1]) => {
    try {
      return choosePool(withGpus, requirements);
    } catch (error) {
      return error instanceof CbError ? [error.kind, error.message, error.hint] : error;
    }
  };
  const hint = "the pools are: small (x86_64), large (x86_64), summit (ppc64le), gpus (x86_64, nvidia)";
  assert.equal(refusal({ gpu: "rocm" }), ["usage", "no pool has a GPU of the kind rocm", hint]);
  assert.equal(refusal({ gpu: "nvidia", pool: "small" }), ["usage", "pool small has no GPU of the kind nvidia", hint]);
  assert.equal(refusal({ gpu: "nvidia", arch: "ppc64le" }), [
    "usage",
    "no pool for ppc64le has a GPU of the kind nvidia",
    hint,
  ]);
});

for (const [requirements, message] of [
  [{ arch: "aarch64" }, "no pool builds for aarch64"],
  [{ pool: "titan", arch: "x86_64" }, "there is no pool titan"],
  [{ pool: "summit", arch: "x86_64" }, "pool summit builds for ppc64le, not for x86_64"],
] as const) {
  test(`choosePool() throws "${message}" and lists the pools`, () => {
    try {
      choosePool(pools, requirements);
      assert.unreachable();
    } catch (error) {
      if (!(error instanceof CbError)) throw error;
      assert.is(error.kind, "usage");
      assert.is(error.message, message);
      assert.is(error.hint, "the pools are: small (x86_64), large (x86_64), summit (ppc64le)");
    }
  });
}

test.run();
