import { suite } from "uvu";
import * as assert from "uvu/assert";
import { imagesOf } from "../../../../lib/queue/api/status.ts";

const test = suite("status");

const from = (id: string, version = "1") => ({ builderImage: { id, versions: [{ name: "apptainer", version }] } });

test("imagesOf() counts equal reports, the most frequent first, and leaves out builders without one", () => {
  const images = imagesOf([from("a"), from("b"), { builderImage: undefined }, from("b")]);
  assert.equal(images, [
    { ...from("b").builderImage, builders: 2 },
    { ...from("a").builderImage, builders: 1 },
  ]);
});

test("imagesOf() keeps reports with one id and other versions apart, and shows at most four", () => {
  assert.is(imagesOf([from("a", "1"), from("a", "2")]).length, 2);
  assert.is(imagesOf(["a", "b", "c", "d"].map((id) => from(id))).length, 4);
  const many = ["a", "b", "c", "d", "e", "e"].map((id) => from(id));
  assert.equal(
    imagesOf(many).map(({ id }) => id),
    ["e", "a", "b", "c"],
  );
});

test.run();
