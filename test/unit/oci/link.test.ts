import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nextPage } from "../../../lib/oci/link.ts";

const test = suite("link");
const page = new URL("https://reg.example:5000/v2/_catalog?n=2");
const next = (link: string): string | undefined => nextPage(link, page)?.href;

test("nextPage() resolves a relative address against the page", () => {
  assert.is(next('</v2/_catalog?last=b&n=2>; rel="next"'), "https://reg.example:5000/v2/_catalog?last=b&n=2");
  assert.is(next("<?last=b>;rel=next"), "https://reg.example:5000/v2/_catalog?last=b");
  assert.is(next('<https://reg.example:5000/x>; rel="next"'), "https://reg.example:5000/x");
});

test("nextPage() finds rel=next among other links and parameters, in any order and case", () => {
  assert.is(
    next('</first>; rel="first", </a,b;c>; title="x, <y>; rel=next"; REL="last Next"'),
    "https://reg.example:5000/a,b;c",
  );
  assert.is(next('</a>; flag; rel="next"'), "https://reg.example:5000/a");
});

test("nextPage() is undefined without a next page, and for an invalid header", () => {
  const none = ["", '</a>; rel="prev"', "</a>", "nonsense", "<", '</a>; title="rel=next"', '</a>; rel=x; rel="next"'];
  for (const link of none) assert.is(next(link), undefined, link);
});

test("nextPage() refuses another origin: another host, port or scheme", () => {
  for (const target of [
    "https://evil.example/",
    "//evil.example/",
    "https://reg.example/",
    "http://reg.example:5000/",
  ]) {
    assert.throws(() => next(`<${target}>; rel="next"`), /not on https:\/\/reg\.example:5000/);
  }
});

test.run();
