import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Recipe } from "../../../../lib/protocol/build-messages.ts";
import { inputsOf } from "../../../../lib/recipe/inputs.ts";

const test = suite("dockerfile wants");

const dockerfile = (text: string, buildArgs: Record<string, string> = {}): Recipe => ({
  backend: "docker",
  text,
  buildArgs,
});
/** Patterns are marked by a word before them. */
const paths = (text: string, buildArgs?: Record<string, string>): string[] =>
  inputsOf(dockerfile(text, buildArgs)).map(({ path, pattern }) => (pattern ? `pattern ${path}` : path));
/** What instructions of a stage want. */
const inStage = (...lines: string[]): string[] => paths(["FROM debian:12", ...lines, ""].join("\n"));

test("wantsOf() takes the sources of COPY and ADD, and says where they are from", () => {
  assert.equal(inputsOf(dockerfile("FROM debian\nRUN true\nCOPY a b/ /x/\n")), [
    { path: "a", pattern: false, links: "keep", where: "line 3: COPY" },
    { path: "b", pattern: false, links: "keep", where: "line 3: COPY" },
  ]);
  assert.equal(inStage("add t.tar /", "  copy  c\t/x"), ["t.tar", "c"]);
});

test("wantsOf() takes every path for one of the context", () => {
  assert.equal(inStage("COPY /a ./b d/../c ../../e f//g /x/"), ["a", "b", "c", "e", "f/g"]);
  for (const all of [".", "./", "/", "..", "d/.."]) assert.equal(inStage(`COPY ${all} /x`), ["."], all);
});

test("wantsOf() takes the JSON form, with blanks and with something behind it", () => {
  assert.equal(inStage('COPY ["my data.txt", "b", "/x/"]', 'ADD --chown=1:1 [ "c", "/x" ] # x'), [
    "my data.txt",
    "b",
    "c",
  ]);
  assert.equal(inStage("COPY [abc] /x"), ["pattern [abc]"]);
});

test("wantsOf() takes quotes off", () => {
  assert.equal(inStage('COPY "a" \'b\' c"d"e /x/', 'COPY ["\'f g\'", "/x"]'), ["a", "b", "cde", "f g"]);
});

test("wantsOf() passes over flags, and over what comes from another stage or image", () => {
  assert.equal(inStage('COPY --chown=a:b --chmod=0644 --exclude="x y" --link --parents a /x'), ["a"]);
  assert.equal(inStage("COPY --from=build a /x", "COPY --chmod=1 --from=alpine:3 b /x", "COPY --from=0 c /x"), []);
});

test("wantsOf() passes over what ADD fetches from elsewhere, which COPY does not", () => {
  assert.equal(inStage("ADD https://example.org/a.tar http://b/c https://example.org/r.git#main local /x/"), ["local"]);
  assert.equal(inStage("ADD git@example.org:r.git /x/", "ADD git://example.org/r /x/"), []);
});

test("wantsOf() takes patterns as Go does", () => {
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

test("wantsOf() takes the folder before any number of folders", () => {
  assert.equal(inStage("COPY src/**/*.py /x/"), ["src"]);
  assert.equal(inStage("COPY **/*.py /x/"), ["."]);
  assert.equal(inStage("COPY a*/b**c /x/"), ["pattern a*"]);
});

test("wantsOf() joins continued lines, over comments and empty lines", () => {
  assert.equal(inStage("COPY a \\", "# comment", "", "   # other \\", "  b \\  ", "  /x/", "COPY c /x"), [
    "a",
    "b",
    "c",
  ]);
  assert.equal(inStage("COPY a /x \\"), ["a"]);
});

test("wantsOf() takes the escape directive, in the first line alone", () => {
  assert.equal(paths("# escape=`\nFROM debian\nCOPY a `\n  b /x/\n"), ["a", "b"]);
  assert.equal(paths("#EsCaPe = `\nFROM debian\nCOPY a `\n  b /x/\n"), ["a", "b"]);
  assert.equal(paths("# syntax=docker/dockerfile:1\n# escape=`\nFROM debian\nCOPY a \\\n  b /x/\n"), ["a", "b"]);
});

test("wantsOf() passes over documents", () => {
  assert.equal(inStage("COPY <<EOF a /x/", "COPY b /y", "EOF", "COPY c /x"), ["a", "c"]);
  assert.equal(inStage("RUN cat <<-'ONE' <<TWO", "COPY a /y", "\tONE", "COPY b /x", "TWO", "COPY c /x"), ["c"]);
  assert.equal(inStage('RUN echo "<<EOF" $((1<<2)) <<<EOF', "COPY a /x"), ["a"]);
  assert.equal(inStage("RUN cat <<NEVER", "COPY a /x"), ["a"]);
  assert.equal(inStage("ENV A=<<EOF", "COPY a /x", "EOF"), ["a"]);
});

test("wantsOf() reads CR LF and a byte order mark", () => {
  assert.equal(paths("\uFEFFFROM debian\r\nCOPY a \\\r\n b /x/\r\n"), ["a", "b"]);
});

test("wantsOf() fills in what ARG and ENV say for certain", () => {
  assert.equal(inStage("ARG V=1", `COPY app-$V.tar a\${V}b /x/`), ["app-1.tar", "a1b"]);
  assert.equal(inStage("ENV A=1 B='x y'", 'COPY ["$B", "/x"]', "ENV C $A/2", "COPY $C /x"), ["x y", "1/2"]);
  assert.equal(inStage("ARG V=1", "ENV V=2", "ARG V=3", "COPY $V /x"), ["2"]);
  assert.equal(inStage("ENV V=1", "ENV V=2 W=$V", "COPY $W /x"), ["1"]);
  assert.equal(inStage("ARG V=1", "COPY \\$V '$V' /x/"), ["$V"]);
});

test("wantsOf() takes build arguments for what ARG declares, before and after FROM", () => {
  assert.equal(paths("FROM debian\nARG V=1\nCOPY a$V /x\n", { V: "2" }), ["a2"]);
  assert.equal(paths("ARG V=1\nFROM debian\nARG V\nCOPY a$V /x\n"), ["a1"]);
  assert.equal(paths("ARG V=1\nFROM debian\nARG V\nCOPY a$V /x\n", { V: "2" }), ["a2"]);
  assert.equal(paths("ARG V=1\nFROM debian\nCOPY a/$V /x\n", { V: "2" }), ["a"]);
  assert.equal(paths("FROM debian\nCOPY a/$V /x\n", { V: "2" }), ["a"]);
});

test("wantsOf() gives a stage the environment of the stage that it starts from, and no arguments", () => {
  const text = "FROM debian AS one\nENV A=1\nARG B=2\nENV C=3\nFROM One\nCOPY $A /x\nCOPY d/$B /x\nCOPY $C /x\n";
  assert.equal(paths(text), ["1", "d", "3"]);
  assert.equal(paths("FROM debian AS one\nENV A=1\nFROM debian\nCOPY d/$A /x\n"), ["d"]);
});

test("wantsOf() knows the forms of a variable", () => {
  const env = "ENV A=1 E=";
  assert.equal(inStage(env, `COPY \${A:-x} \${E:-y} \${A:+z} d\${E:+w} /x/`), ["1", "y", "z", "d"]);
  assert.equal(inStage(env, `COPY a/\${A%x} b/\${A-x} /x/`), ["a", "b"]);
  assert.equal(inStage("COPY a$ b$- /x/"), ["a$", "b$-"]);
});

test("wantsOf() takes the folder before the first variable that is not certain", () => {
  assert.equal(inStage("COPY data/set-$V/x.txt /x"), ["data"]);
  assert.equal(inStage("COPY x$V /x"), ["."]);
  assert.equal(inStage("COPY /$V /x"), ["."]);
  assert.equal(inStage("COPY p*/$V /x"), ["pattern p*"]);
  assert.equal(inStage("ARG V", "COPY a/$V /x"), ["a"]);
  assert.equal(inStage("ENV V=$UNKNOWN", "COPY a/$V /x"), ["a"]);
  assert.equal(inStage("ARG TARGETARCH", "COPY bin/$TARGETARCH/x /x"), ["bin"]);
});

test("wantsOf() takes what RUN mounts of the context", () => {
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

test("wantsOf() passes over ONBUILD, which buildah does not run", () => {
  assert.equal(paths("FROM debian AS one\nONBUILD COPY a /x\nFROM one\nCOPY b /x\n"), ["b"]);
});

test.run();
