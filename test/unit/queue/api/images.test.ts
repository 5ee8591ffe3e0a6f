import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withinBytes } from "../../../../lib/queue/api/images.ts";

const test = suite("images");

test("withinBytes() keeps the first images that fit, and reports a truncation", () => {
  const images = ["a", "b", "c"].map((repository) => ({ repository, tags: ["12345678"] }));
  // 32 + 1 + 4 + 8 bytes each.
  assert.equal(withinBytes({ images, truncated: false }, 135), { images, truncated: false });
  assert.equal(withinBytes({ images, truncated: false }, 134), { images: images.slice(0, 2), truncated: true });
  assert.is(withinBytes({ images, truncated: true }, 135).truncated, true);
});

test("withinBytes() never counts fewer bytes than the JSON has", () => {
  const images = Array.from({ length: 500 }, (_, n) => ({ repository: `r${n}`, tags: ["1", `t${n}`] }));
  const { images: shown } = withinBytes({ images, truncated: false }, 10_000);
  assert.ok(shown.length > 100 && JSON.stringify(shown).length <= 10_000);
});

test.run();
