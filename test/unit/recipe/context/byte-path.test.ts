import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fromText, PathList } from "../../../../lib/recipe/context/byte-path.ts";
import { Random } from "../../../sim/random.ts";

const test = suite("byte path");

function randomPaths(seed: number, count: number): string[] {
  const random = new Random(seed);
  let path = "/";
  return Array.from({ length: count }, () => {
    const name = Array.from({ length: random.between(1, random.chance(0.05) ? 255 : 12) }, () =>
      String.fromCharCode(random.between(1, 255)),
    ).join("");
    path = `${path.slice(0, random.between(1, Math.min(path.length, 3000)))}/${name}`;
    return path;
  });
}

test("fromText() gives a byte of a recipe that is not UTF-8 back, and a character its bytes of UTF-8", () => {
  assert.is(fromText("caf\udce9"), "caf\xe9");
  assert.is(fromText("café"), "caf\xc3\xa9");
});

test("PathList returns its paths in order, over many pages", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const paths = ["/", ...randomPaths(seed, 5000)];
    const list = new PathList();
    for (const path of paths) list.add(path);
    assert.equal([...list], paths, `seed ${seed}`);
    assert.is(list.length, paths.length);
    const names = Buffer.concat([...list.tarNames()]).toString("latin1");
    assert.is(names, paths.map((path) => (path === "/" ? "./\0" : `.${path}\0`)).join(""), `seed ${seed}`);
  }
});

test("PathList needs less than 25 bytes for each of 100,000 files", () => {
  const list = new PathList();
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 0; index < 100_000; index++) list.add(`/home/user/some/project/${index >> 8}/file-${index}.txt`);
  assert.ok(process.memoryUsage().arrayBuffers - before < 2_500_000);
  assert.is([...list].at(-1), "/home/user/some/project/390/file-99999.txt");
});

test("PathList fills a page to the last byte and then starts the next", () => {
  for (let length = 50; length < 250; length++) {
    const paths = Array.from({ length: 1400 }, (_, index) => `/${(index % 2 ? "a" : "b").repeat(length)}`);
    const list = new PathList();
    for (const path of paths) list.add(path);
    assert.equal([...list], paths, `${length}`);
  }
});

test("PathList refuses a path that is longer than a page", () => {
  assert.throws(() => new PathList().add(`/${"x".repeat(70_000)}`), /70001 bytes/);
  assert.equal([...new PathList()], []);
});

test.run();
