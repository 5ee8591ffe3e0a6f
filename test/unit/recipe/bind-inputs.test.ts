import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inputsOf } from "../../../lib/recipe/inputs.ts";

const test = suite("bind inputs");

test("the source of a bind is sent, once, with the target of its links", () => {
  const text = "Bootstrap: scratch\n%files\n    /a[b] /x\n";
  const binds = [
    { source: "/a[b]", destination: "/one" },
    { source: "/c", destination: "/two" },
    { source: "/c", destination: "/three" },
  ];
  const inputs = inputsOf({ backend: "singularity", text, options: { binds } });
  assert.equal(
    inputs.map(({ path, pattern, links, where }) => [path, pattern, links, where]),
    [
      ["/a[b]", true, "follow", "line 3: %files"],
      ["/a[b]", false, "follow", "--bind /a[b]"],
      ["/c", false, "follow", "--bind /c"],
    ],
  );
});

test.run();
