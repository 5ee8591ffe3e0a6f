import { suite } from "uvu";
import * as assert from "uvu/assert";
import { imagesOf } from "../../../../lib/queue/api/pool-status.ts";

const test = suite("pool status");

const from = (id: string, version = "1") => ({ builderImage: { id, versions: [{ name: "apptainer", version }] } });

test("imagesOf() counts builders that say the same, the most first, and leaves out those that say nothing", () => {
  const images = imagesOf([from("a"), from("b"), { builderImage: undefined }, from("b")]);
  assert.equal(images, [
    { ...from("b").builderImage, builders: 2 },
    { ...from("a").builderImage, builders: 1 },
  ]);
});

test("imagesOf() takes no builder's word for another's image, and shows four at most", () => {
  assert.is(imagesOf([from("a", "1"), from("a", "2")]).length, 2);
  assert.is(imagesOf(["a", "b", "c", "d"].map((id) => from(id))).length, 4);
  const many = ["a", "b", "c", "d", "e", "e"].map((id) => from(id));
  assert.equal(
    imagesOf(many).map(({ id }) => id),
    ["e", "a", "b", "c"],
  );
});

test.run();
