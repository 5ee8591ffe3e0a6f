import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codeOf, withoutComments } from "./code.ts";

const test = suite("tidy/code");

function squeezed(text: string): string {
  return codeOf(text).replace(/\s+/g, " ").trim();
}

test("codeOf() blanks comments and what is in quotes, and keeps lengths and lines", () => {
  const text = "a('b'); // c\n/* d\n e */ f(`g\nh`);\n";
  assert.is(codeOf(text).length, text.length);
  assert.is(codeOf(text).split("\n").length, text.split("\n").length);
  assert.is(squeezed(text), "a(' '); f(` `);");
});

test("codeOf() does not take a slash in a string for a comment, nor a quote in a comment for a string", () => {
  assert.is(squeezed('a("http://b"); c();'), 'a(" "); c();');
  assert.is(squeezed("a(); // don't\nb();"), "a(); b();");
});

test("codeOf() passes over escaped quotes and over templates with code inside", () => {
  assert.is(squeezed('a("b\\"c"); d();'), 'a(" "); d();');
  assert.is(squeezed("a(`b $\x7bc({ d: `e` })} f`); g();"), "a(` `); g();");
});

test("codeOf() tells a regular expression from a division", () => {
  assert.is(squeezed("a(/[\"'/]x/g); b();"), "a(/ /g); b();");
  assert.is(squeezed("const c = a / b / 2; d('e');"), "const c = a / b / 2; d(' ');");
  assert.is(squeezed("return /'/.test(a); b('c');"), "return / /.test(a); b(' ');");
});

test("withoutComments() keeps literals", () => {
  assert.is(withoutComments('a("b"); // c').trim(), 'a("b");');
});

test.run();
