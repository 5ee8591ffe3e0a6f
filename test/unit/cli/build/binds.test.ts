import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseBinds, parseMount } from "../../../../lib/cli/build/options/binds.ts";
import { CbError } from "../../../../lib/core/errors.ts";

const test = suite("binds");

test("parseBinds() reads source, destination and ro, several with commas, and escaped signs", () => {
  assert.equal(parseBinds("/a"), [{ source: "/a", destination: "/a" }]);
  assert.equal(parseBinds("/a:/b:ro,/c:/d:rw"), [
    { source: "/a", destination: "/b", readOnly: true },
    { source: "/c", destination: "/d" },
  ]);
  assert.equal(parseBinds("/a\\:b\\,c\\\\:/d"), [{ source: "/a:b,c\\", destination: "/d" }]);
  const relative = `${process.cwd()}/data`;
  assert.equal(parseBinds("data"), [{ source: relative, destination: relative }]);
  assert.equal(parseBinds("./data/../data:/x"), [{ source: relative, destination: "/x" }]);
});

test("parseMount() reads every spelling of the keys, quotes, and ro", () => {
  const expected = { source: "/a", destination: "/b" };
  assert.equal(parseMount("type=bind,source=/a,destination=/b"), expected);
  assert.equal(parseMount("src=/a,dst=/b,type=bind,ro"), { ...expected, readOnly: true });
  assert.equal(parseMount("type=bind,src=/a,target=/b,readonly=true"), { ...expected, readOnly: true });
  assert.equal(parseMount("type=bind,src=/a,target=/b,readonly=false"), expected);
  assert.equal(parseMount('type=bind,"source=/a,""b""",dst=/b'), { source: '/a,"b"', destination: "/b" });
});

test("a value that is no bind is refused with the form to write", () => {
  const refused: readonly (() => unknown)[] = [
    () => parseBinds(""),
    () => parseBinds("/a:b"),
    () => parseBinds("/a:"),
    () => parseBinds("/a:/b:nosuid"),
    () => parseMount("type=tmpfs,destination=/b"),
    () => parseMount("source=/a,destination=/b"),
    () => parseMount("type=bind,destination=/b"),
    () => parseMount("type=bind,source=/a"),
    () => parseMount("type=bind,source=/a,destination=/b,image-src=/x"),
    () => parseMount('type=bind,"source=/a,destination=/b'),
  ];
  for (const call of refused) {
    assert.throws(
      call,
      (error: unknown) => error instanceof CbError && error.kind === "usage" && /--bind SRC/.test(error.hint ?? ""),
      String(call),
    );
  }
});

test.run();
