import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compare, median, quantile, type Row, resultOf } from "../../bench/measure.ts";
import { tableOf } from "../../bench/table.ts";

const test = suite("statistics of benchmarks");

const row: Row = { name: "put", what: "a file", against: "scp", unit: "MiB/s", goal: "≥ 1" };

test("median() is the middle, or the mean of the two in the middle", () => {
  assert.is(median([3, 1, 100]), 3);
  assert.is(median([4, 1, 2, 100]), 3);
});

test("quantile() is the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n);
  assert.is(quantile(values, 0.99), 99);
  assert.is(quantile(values, 0.5), 50);
  assert.is(quantile([7], 0.99), 7);
});

test("the ratio is the median of the rounds' ratios, so a round on a busy machine does not count against one side", () => {
  const { ours, theirs, ratio, spread } = resultOf(row, [10, 100, 20], [5, 50, 40]);
  assert.equal([ours, theirs, ratio, spread], [20, 40, 2, [0.5, 2]]);
});

test("a row without another side has the spread of our values", () => {
  const { ratio, spread, rounds } = resultOf(row, [3, 1, 2], undefined);
  assert.equal([ratio, spread, rounds], [undefined, [1, 3], 3]);
});

test("compare() lets the sides take turns in being first, and gives each row its value", async () => {
  const order: string[] = [];
  const side = (name: string, values: number[]) => async () => {
    order.push(name);
    return values;
  };
  const { against: _, ...alone } = row;
  const sides = { ours: side("ours", [4, 7]), theirs: side("theirs", [2]) };
  const results = await compare([row, { ...alone, name: "memory" }], sides, 3);
  assert.is(order.join(" "), "ours theirs theirs ours ours theirs");
  assert.equal(
    results.map(({ ratio, ours }) => [ratio, ours]),
    [
      [2, 4],
      [undefined, 7],
    ],
  );
});

test("the table has a line a result, in columns", () => {
  const lines = tableOf([
    resultOf(row, [1234.5], [1000]),
    resultOf({ ...row, name: "long-name" }, [0.1234], undefined),
  ]).split("\n");
  assert.is(lines[1], "put        1,235  1,000   MiB/s  1.23   1.23–1.23    ≥ 1");
  assert.is(lines[2], "long-name  0.123          MiB/s         0.123–0.123  ≥ 1");
});

test.run();
