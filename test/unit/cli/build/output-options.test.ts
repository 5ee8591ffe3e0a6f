import { suite } from "uvu";
import * as assert from "uvu/assert";
import { imagePlace } from "../../../../lib/cli/build/output-options.ts";

const test = suite("output options");

const place = (image: string, output?: string) =>
  Object.values(imagePlace(image, "recipes/app.def", output === undefined ? {} : { output }));

test("--output names the folder of the image, and IMAGE its name", () => {
  assert.equal(place("a/x.sif"), ["a/x.sif", "x.sif"]);
  assert.equal(place("x.sif", "/scratch/"), ["/scratch/x.sif", "x.sif"]);
  assert.equal(place("a/x.sif", "images"), ["images/x.sif", "x.sif"]);
});

test("- in the place of IMAGE or of the folder is standard output, and the image has the name of the recipe or of IMAGE", () => {
  assert.equal(place("-"), ["-", "app.sif"]);
  assert.equal(place("x.sif", "-"), ["-", "x.sif"]);
  for (const recipe of ["-", ".", ""]) assert.is(imagePlace("-", recipe, {}).name, "image.sif");
});

test.run();
