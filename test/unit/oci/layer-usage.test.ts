import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LayerUsage } from "../../../lib/oci/layers/usage.ts";

const test = suite("layer usage");

test("add() refuses the byte above the quota of a user, and the next look names the user once", async () => {
  const usage = new LayerUsage(100);
  assert.ok(usage.add("ada", 100));
  assert.ok(usage.add("bob", 1));
  assert.not.ok(usage.add("ada", 1));
  const seen: string[][] = [];
  const look = async (refused: ReadonlySet<string>) => {
    seen.push([...refused]);
    return new Map([["ada", 40]]);
  };
  await usage.measure(look);
  assert.ok(usage.add("ada", 60));
  await usage.measure(look);
  assert.equal(seen, [["ada"], []]);
});

test("measure() keeps counting what arrives during the look", async () => {
  const usage = new LayerUsage(100);
  usage.add("ada", 50);
  await usage.measure(async () => {
    usage.add("ada", 30);
    return new Map([["ada", 50]]);
  });
  assert.ok(usage.add("ada", 20));
  assert.not.ok(usage.add("ada", 1));
});

test("measure() forgets nothing when the look fails", async () => {
  const usage = new LayerUsage(100);
  usage.add("ada", 100);
  await usage
    .measure(async () => {
      throw new Error("no disk");
    })
    .catch(() => undefined);
  assert.not.ok(usage.add("ada", 1));
});

test.run();
