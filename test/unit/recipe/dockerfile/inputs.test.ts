import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Recipe } from "../../../../lib/protocol/build-messages.ts";
import { inputsOf } from "../../../../lib/recipe/inputs.ts";

const test = suite("dockerfile inputs");

const dockerfile = (text: string, buildArgs: Record<string, string> = {}): Recipe => ({
  backend: "docker",
  text,
  buildArgs,
});
/** The paths of all inputs; `pattern ` precedes a pattern. */
const paths = (text: string, buildArgs?: Record<string, string>): string[] =>
  inputsOf(dockerfile(text, buildArgs)).map(({ path, pattern }) => (pattern ? `pattern ${path}` : path));
/** The inputs of these instructions in one stage. */
const inStage = (...lines: string[]): string[] => paths(["FROM debian:12", ...lines, ""].join("\n"));

test("inputsOf() reads the sources of COPY and ADD, with their line", () => {
  assert.equal(inputsOf(dockerfile("FROM debian\nRUN true\nCOPY a b/ /x/\n")), [
    { path: "a", pattern: false, links: "keep", where: "line 3: COPY" },
    { path: "b", pattern: false, links: "keep", where: "line 3: COPY" },
  ]);
  assert.equal(inStage("add t.tar /", "  copy  c\t/x"), ["t.tar", "c"]);
});

test("inputsOf() resolves every path inside the context", () => {
  assert.equal(inStage("COPY /a ./b d/../c ../../e f//g /x/"), ["a", "b", "c", "e", "f/g"]);
  for (const all of [".", "./", "/", "..", "d/.."]) assert.equal(inStage(`COPY ${all} /x`), ["."], all);
});

test("inputsOf() reads the JSON form, with blanks and with text after it", () => {
  assert.equal(inStage('COPY ["my data.txt", "b", "/x/"]', 'ADD --chown=1:1 [ "c", "/x" ] # x'), [
    "my data.txt",
    "b",
    "c",
  ]);
  assert.equal(inStage("COPY [abc] /x"), ["pattern [abc]"]);
});

test("inputsOf() removes quotes", () => {
  assert.equal(inStage('COPY "a" \'b\' c"d"e /x/', 'COPY ["\'f g\'", "/x"]'), ["a", "b", "cde", "f g"]);
});

test("inputsOf() ignores flags, and sources from another stage or image", () => {
  assert.equal(inStage('COPY --chown=a:b --chmod=0644 --exclude="x y" --link --parents a /x'), ["a"]);
  assert.equal(inStage("COPY --from=build a /x", "COPY --chmod=1 --from=alpine:3 b /x", "COPY --from=0 c /x"), []);
});

test("inputsOf() ignores the URLs that ADD fetches", () => {
  assert.equal(inStage("ADD https://example.org/a.tar http://b/c https://example.org/r.git#main local /x/"), ["local"]);
  assert.equal(inStage("ADD git@example.org:r.git /x/", "ADD git://example.org/r /x/"), []);
});

test("inputsOf() reads patterns as Go does", () => {
  assert.equal(inStage("COPY *.py b?.txt c[12] d[^1] e[!1] /x/"), [
    "pattern *.py",
    "pattern b?.txt",
    "pattern c[12]",
    "pattern d?",
    "pattern e?",
  ]);
  assert.equal(inStage("COPY {a,b} /x/"), ["{a,b}"]);
  assert.equal(inStage("COPY br[[]0].txt /x/"), ["pattern br?0].txt"]);
});

test("inputsOf() takes the folder before **", () => {
  assert.equal(inStage("COPY src/**/*.py /x/"), ["src"]);
  assert.equal(inStage("COPY **/*.py /x/"), ["."]);
  assert.equal(inStage("COPY a*/b**c /x/"), ["pattern a*"]);
});

test("inputsOf() joins continued lines across comments and empty lines", () => {
  assert.equal(inStage("COPY a \\", "# comment", "", "   # other \\", "  b \\  ", "  /x/", "COPY c /x"), [
    "a",
    "b",
    "c",
  ]);
  assert.equal(inStage("COPY a /x \\"), ["a"]);
});

test("inputsOf() reads the escape directive only in the first line", () => {
  assert.equal(paths("# escape=`\nFROM debian\nCOPY a `\n  b /x/\n"), ["a", "b"]);
  assert.equal(paths("#EsCaPe = `\nFROM debian\nCOPY a `\n  b /x/\n"), ["a", "b"]);
  assert.equal(paths("# syntax=docker/dockerfile:1\n# escape=`\nFROM debian\nCOPY a \\\n  b /x/\n"), ["a", "b"]);
});

test("inputsOf() ignores here-documents", () => {
  assert.equal(inStage("COPY <<EOF a /x/", "COPY b /y", "EOF", "COPY c /x"), ["a", "c"]);
  assert.equal(inStage("RUN cat <<-'ONE' <<TWO", "COPY a /y", "\tONE", "COPY b /x", "TWO", "COPY c /x"), ["c"]);
  assert.equal(inStage('RUN echo "<<EOF" $((1<<2)) <<<EOF', "COPY a /x"), ["a"]);
  assert.equal(inStage("RUN cat <<NEVER", "COPY a /x"), ["a"]);
  assert.equal(inStage("ENV A=<<EOF", "COPY a /x", "EOF"), ["a"]);
});

test("inputsOf() accepts CR LF and a byte order mark", () => {
  assert.equal(paths("\uFEFFFROM debian\r\nCOPY a \\\r\n b /x/\r\n"), ["a", "b"]);
});

test("inputsOf() substitutes variables of ARG and ENV with a certain value", () => {
  assert.equal(inStage("ARG V=1", `COPY app-$V.tar a\${V}b /x/`), ["app-1.tar", "a1b"]);
  assert.equal(inStage("ENV A=1 B='x y'", 'COPY ["$B", "/x"]', "ENV C $A/2", "COPY $C /x"), ["x y", "1/2"]);
  assert.equal(inStage("ARG V=1", "ENV V=2", "ARG V=3", "COPY $V /x"), ["2"]);
  assert.equal(inStage("ENV V=1", "ENV V=2 W=$V", "COPY $W /x"), ["1"]);
  assert.equal(inStage("ARG V=1", "COPY \\$V '$V' /x/"), ["$V"]);
});

test("inputsOf() substitutes build arguments that ARG declares, before and after FROM", () => {
  assert.equal(paths("FROM debian\nARG V=1\nCOPY a$V /x\n", { V: "2" }), ["a2"]);
  assert.equal(paths("ARG V=1\nFROM debian\nARG V\nCOPY a$V /x\n"), ["a1"]);
  assert.equal(paths("ARG V=1\nFROM debian\nARG V\nCOPY a$V /x\n", { V: "2" }), ["a2"]);
  assert.equal(paths("ARG V=1\nFROM debian\nCOPY a/$V /x\n", { V: "2" }), ["a"]);
  assert.equal(paths("FROM debian\nCOPY a/$V /x\n", { V: "2" }), ["a"]);
});

test("inputsOf() gives a stage the environment of its base stage, but not its arguments", () => {
  const text = "FROM debian AS one\nENV A=1\nARG B=2\nENV C=3\nFROM One\nCOPY $A /x\nCOPY d/$B /x\nCOPY $C /x\n";
  assert.equal(paths(text), ["1", "d", "3"]);
  assert.equal(paths("FROM debian AS one\nENV A=1\nFROM debian\nCOPY d/$A /x\n"), ["d"]);
});

test("inputsOf() substitutes all forms of a variable", () => {
  const env = "ENV A=1 E=";
  assert.equal(inStage(env, `COPY \${A:-x} \${E:-y} \${A:+z} d\${E:+w} /x/`), ["1", "y", "z", "d"]);
  assert.equal(inStage(env, `COPY a/\${A%x} b/\${A-x} /x/`), ["a", "b"]);
  assert.equal(inStage("COPY a$ b$- /x/"), ["a$", "b$-"]);
});

test("inputsOf() takes the folder before the first variable without a certain value", () => {
  assert.equal(inStage("COPY data/set-$V/x.txt /x"), ["data"]);
  assert.equal(inStage("COPY x$V /x"), ["."]);
  assert.equal(inStage("COPY /$V /x"), ["."]);
  assert.equal(inStage("COPY p*/$V /x"), ["pattern p*"]);
  assert.equal(inStage("ARG V", "COPY a/$V /x"), ["a"]);
  assert.equal(inStage("ENV V=$UNKNOWN", "COPY a/$V /x"), ["a"]);
  assert.equal(inStage("ARG TARGETARCH", "COPY bin/$TARGETARCH/x /x"), ["bin"]);
});

test("inputsOf() reads the bind mounts of RUN", () => {
  assert.equal(inStage("RUN --mount=type=bind,source=a,target=/m cat /m"), ["a"]);
  assert.equal(inStage("RUN --network=none --mount=src=/b,target=/m,ro --mount=type=bind,target=/n cat /m"), [
    "b",
    ".",
  ]);
  assert.equal(inStage('RUN --mount="type=bind,source=c,target=/m" true'), ["c"]);
  for (const other of [
    "type=cache,source=a",
    "type=secret,src=a",
    "type=tmpfs",
    "type=bind,from=build,source=a",
    "type=ssh",
  ]) {
    assert.equal(inStage(`RUN --mount=${other},target=/m true`), [], other);
  }
});

test("inputsOf() ignores ONBUILD, which buildah does not run", () => {
  assert.equal(paths("FROM debian AS one\nONBUILD COPY a /x\nFROM one\nCOPY b /x\n"), ["b"]);
});

test.run();
