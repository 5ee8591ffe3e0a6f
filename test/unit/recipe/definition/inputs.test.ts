import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import type { Recipe } from "../../../../lib/protocol/build-messages.ts";
import { inputsOf } from "../../../../lib/recipe/inputs.ts";

const test = suite("definition inputs");

const HEADER = "Bootstrap: docker\nFrom: debian:12\n";
const definition = (text: string, buildArgs?: Record<string, string>): Recipe => ({
  backend: "singularity",
  text,
  ...(buildArgs === undefined ? {} : { buildArgs }),
});
/** The paths of all inputs; `pattern ` precedes a pattern. */
const paths = (text: string, buildArgs?: Record<string, string>): string[] =>
  inputsOf(definition(text, buildArgs)).map(({ path, pattern }) => (pattern ? `pattern ${path}` : path));
/** The inputs of these lines of one %files section. */
const files = (...lines: string[]): string[] => paths(`${HEADER}%files\n${lines.join("\n")}\n%post\n    true\n`);

function refusal(run: () => unknown): CbError {
  try {
    run();
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

test("inputsOf() reads the sources of %files, and ignores comments, empty lines and text after the destination", () => {
  assert.equal(files("", "  # none", "    data.txt /opt", "\ta.sh\t/usr/bin/a # x"), ["data.txt", "a.sh"]);
  assert.equal(files("alone.txt", "/etc/hosts", "../up/x /x", ". /all", "dir/ /dir"), [
    "alone.txt",
    "/etc/hosts",
    "../up/x",
    ".",
    "dir/",
  ]);
});

test("inputsOf() returns the line of each input, and follows links", () => {
  assert.equal(inputsOf(definition(`${HEADER}\n%files\n    a /a\n`)), [
    { path: "a", pattern: false, links: "follow", where: "line 5: %files" },
  ]);
});

test("inputsOf() removes double quotes as apptainer does", () => {
  assert.equal(files('"my data.txt" /opt', '"a"/x', 'b "/with blank/"'), ["my data.txt", "a", "b"]);
  assert.equal(files('""a /x'), []);
});

test("inputsOf() reads patterns and braces as apptainer's shell does", () => {
  assert.equal(files("*.py /src", "data/b?.txt /x", "b[12].txt /x"), [
    "pattern *.py",
    "pattern data/b?.txt",
    "pattern b[12].txt",
  ]);
  assert.equal(files("{a,b}{1..2}.txt /x"), ["a1.txt", "a2.txt", "b1.txt", "b2.txt"]);
  assert.equal(files("{a,{b,c*}}/x /x", "{one} /x", "x{,.bak} /x"), [
    "a/x",
    "b/x",
    "pattern c*/x",
    "{one}",
    "x",
    "x.bak",
  ]);
  assert.equal(files("**/in /x"), ["pattern */in"]);
});

test("inputsOf() widens a pattern that shells read differently", () => {
  assert.equal(files("b[!1].txt /x", "c[^1] /x", "d[[:digit:]] /x", "open[1 /x"), [
    "pattern b?.txt",
    "pattern c?",
    "pattern d?",
    "open[1",
  ]);
});

test("inputsOf() removes a backslash, and keeps the character after it special in a pattern", () => {
  assert.equal(files("am\\&p /x", "back\\\\slash /x", "x\\*y /x", "do\\$HOME /x"), [
    "am&p",
    "back\\slash",
    "pattern x*y",
    "do$HOME",
  ]);
});

test("inputsOf() refuses a source that depends on the machine, and names --build-arg", () => {
  for (const line of ["$HOME/x /x", `"\${DATA}" /x`, "`pwd` /x", "~/x /x", "~ /x"]) {
    const error = refusal(() => files("a /a", line));
    assert.is(error.kind, "usage");
    assert.match(error.message, "line 5: %files");
    assert.match(error.hint ?? "", "--build-arg");
  }
  assert.equal(files("a$ /x", "a~b /x"), ["a$", "a~b"]);
});

test("inputsOf() refuses a source that apptainer's shell cannot parse", () => {
  for (const line of ["'a b' /x", "a&b /x", '"par(en)" /x', "a;b /x", '"sp\\ ace" /x', '"#x" /x']) {
    assert.is(refusal(() => files(line)).kind, "usage", line);
  }
});

test("inputsOf() bounds the expansion of braces", () => {
  assert.is(files(`{1..100}-{1..100} /x`).length, 10_000);
  assert.match(refusal(() => files("{1..100}-{1..101} /x")).message, "more than 10000 paths");
  assert.match(refusal(() => files("{1..999999999} /x")).message, "more than 10000 paths");
  assert.match(refusal(() => files(`${"{a,".repeat(2000)} /x`)).message, "the limit is 4096");
});

test("inputsOf() bounds the number of inputs", () => {
  const lines = (count: number): string => Array.from({ length: count }, (_, index) => `f${index} /x`).join("\n");
  assert.is(files(lines(10_000)).length, 10_000);
  assert.match(refusal(() => files(lines(10_001))).message, "names 10001 files; the limit is 10000");
  assert.is(files("a /x", "a /y").length, 1);
});

test("inputsOf() ignores files from another stage, and sections that apptainer ignores", () => {
  for (const head of ["%files from build", "%files from", "%files other", "%files  ", "%filesystem"]) {
    assert.equal(paths(`${HEADER}${head}\n    a /a\n`), [], head);
  }
  for (const head of ["%files", "%files ", "%files # mine", "%FILES", "%Files\r"]) {
    assert.equal(paths(`${HEADER}${head}\n    a /a\n`), ["a"], head);
  }
});

test("inputsOf() reads sections in any order, more than once, and ignores scripts", () => {
  const text = `${HEADER}%post\n    cp x /y\n%files\n    a /a\n%runscript\n    b /b\n%files\n    c /c\n`;
  assert.equal(paths(text), ["a", "c"]);
});

test("inputsOf() reads files with CR LF", () => {
  assert.equal(paths("Bootstrap: localimage\r\nFrom: base.sif\r\n\r\n%files\r\n    a\r\n    b /b\r\n"), [
    "base.sif",
    "a",
    "b",
  ]);
});

test("inputsOf() reads every stage, also one that begins in a script", () => {
  const build = "Bootstrap: localimage\nFrom: build.sif\nStage: build\n%files\n    src /src\n%post\n    make\n";
  const final = "bootstrap: docker\nFrom: debian\n%files from build\n    /bin/x /bin/x\n%files\n    conf /etc\n";
  assert.equal(paths(`${build}\n${final}`), ["build.sif", "src", "conf"]);
  assert.equal(paths(`${HEADER}%post\n    cat <<E\n    Bootstrap: localimage\n    From: x.sif\nE\n`), []);
});

test("inputsOf() reads base images that are files or folders of the caller", () => {
  const base = (bootstrap: string, from: string): string[] => paths(`Bootstrap: ${bootstrap}\nFrom: ${from}\n`);
  assert.equal(base("localimage", "dir/../base.sif # mine"), ["base.sif"]);
  assert.equal(base("localimage", "/images/a:b.sif"), ["/images/a:b.sif"]);
  assert.equal(base("localimage", "~/base*.sif"), ["~/base*.sif"]);
  assert.equal(base("oci-archive", "a.tar:latest"), ["a.tar"]);
  assert.equal(base("docker-archive", "//srv/a.tar"), ["//srv/a.tar"]);
  assert.equal(base("oci", "layout:1@sha256:0a"), ["layout:1"]);
  for (const remote of ["docker", "library", "oras", "docker-daemon", "scratch", "LocalImage"]) {
    assert.equal(base(remote, "base.sif"), [], remote);
  }
});

test("inputsOf() puts registry and namespace before an archive, not before a local image", () => {
  const text = (bootstrap: string): string => `Bootstrap: ${bootstrap}\nRegistry: r\nNamespace: n\nFrom: x\n`;
  assert.equal(paths(text("oci-archive")), ["r/n/x"]);
  assert.equal(paths(text("localimage")), ["x"]);
});

test("inputsOf() reads headers in any case, with blanks, comments, continued lines; the last value counts", () => {
  assert.equal(paths("BOOTSTRAP : localimage\n# no\n FROM:base.sif\n"), ["base.sif"]);
  assert.equal(paths("Bootstrap: localimage\nFrom: ba\\\n   se.sif\n"), ["base.sif"]);
  assert.equal(paths("Bootstrap: localimage\nFrom: one\nFrom: two\n"), ["two"]);
  assert.equal(paths("Bootstrap: localimage\n"), []);
});

test("inputsOf() keeps the links of an image that is a folder", () => {
  const links = (bootstrap: string): (string | undefined)[] =>
    inputsOf(definition(`Bootstrap: ${bootstrap}\nFrom: x\n`)).map((input) => input.links);
  assert.equal(links("localimage"), ["keep"]);
  assert.equal(links("oci-archive"), ["follow"]);
});

test("inputsOf() reads %appfiles literally, without a shell", () => {
  const text = `${HEADER}%appfiles tool\n    # none\n    b*.txt bin/\n    "x y # z\n    $a\n    a\tb\n`;
  assert.equal(paths(text), ["b*.txt", '"x', "$a", "a\tb"]);
});

test("inputsOf() substitutes build arguments first, then defaults of the stage", () => {
  const text = `${HEADER}%arguments\n    # no\n    n = a\n    m={{ n }}.txt\n%files\n    {{n}} /x\n    {{ m }} /x\n`;
  assert.equal(paths(text), ["a", "a.txt"]);
  assert.equal(paths(text, { n: "b" }), ["b", "b.txt"]);
  assert.equal(paths(`${HEADER}%files\n    {{ both }}\n`, { both: '"a b" /x' }), ["a b"]);
  assert.equal(paths("Bootstrap: localimage\nFrom: {{ base }}\n", { base: "x.sif" }), ["x.sif"]);
});

test("inputsOf() ignores arguments in comments, and names an argument without a value", () => {
  assert.equal(files("# {{ n }} /x", "a /x # {{ n }}"), ["a"]);
  const error = refusal(() => paths(`${HEADER}%post\n    echo {{ n }}\n`, { m: "x" }));
  assert.match(error.message, "line 4 of the recipe: the build argument {{ n }} has no value");
  assert.match(error.hint ?? "", "--build-arg n=");
  const stages = `Bootstrap: scratch\n%arguments\n    n=a\nBootstrap: scratch\n%files\n    {{ n }} /x\n`;
  assert.match(refusal(() => paths(stages)).message, "line 6");
});

test("inputsOf() refuses an absolute path with a pattern in its folder and no destination", () => {
  assert.match(refusal(() => files("/data/*/x.txt")).hint ?? "", "destination");
  assert.equal(files("/data/*/x.txt /x", "/data/*.txt", "data/*/x.txt"), [
    "pattern /data/*/x.txt",
    "pattern /data/*.txt",
    "pattern data/*/x.txt",
  ]);
});

test("inputsOf() marks a path that a script before %files may make", () => {
  const text = (path: string, script: string): string => `${HEADER}%setup\n${script}\n%files\n    ${path} /x\n`;
  const made = (path: string, script: string) =>
    inputsOf({ backend: "singularity", text: text(path, script) })[0]?.mayBeMadeByScript;
  for (const [path, script] of [
    ["/file1", "    touch /file1"],
    ["/made", "    mkdir /made; touch /made/x"],
    ["made.txt", "    date >made.txt"],
    ["made.txt", "    date > ./made.txt"],
    ["./made.txt", "    echo x | tee 'made.txt'"],
    ["/made/below/x", "    mkdir /made && make -C /made"],
    ["out/x", "    mkdir -p out"],
    ["tool.tar", "    wget https://example.org/v1/tool.tar?download=1"],
    ["tool-1.2.tar", "    curl -O https://example.org/tool-$VERSION.tar"],
    ["/data/v1/x.txt", "    D=/data/v1; touch $D/x.txt"],
    ["/srv/x.txt", "    touch $D/$E/x.txt"],
    ["made*", "    touch made1 made2"],
    ["made*", "    touch made*"],
    ["/made/*.txt", "    mkdir /made"],
    ["tool-*.tar", "    wget https://example.org/tool-$VERSION.tar"],
  ] as const)
    assert.is(made(path, script), true, `${path}: ${script}`);
  for (const [path, script] of [
    ["/file1", "    touch /file12"],
    ["/file1", "    touch $APPTAINER_ROOTFS/file1"],
    ["file1", "    touch /file1"],
    ["a.b", "    touch axb"],
    ["x", "    mkdir $APPTAINER_ROOTFS/x"],
    ["other*", "    touch made1"],
    ["made.txt", "    # touch made.txt"],
    ["typo.txt", "    touch $D/$F"],
    ["/etc/typo", "    cat /etc/hosts"],
  ] as const)
    assert.is(made(path, script), undefined, `${path}: ${script}`);
  const inPre = `${HEADER}%pre\n    touch /file1\n%files\n    /file1\n`;
  assert.is(inputsOf({ backend: "singularity", text: inPre })[0]?.mayBeMadeByScript, true);
  const inPost = `${HEADER}%post\n    touch /file1\n%files\n    /file1\n`;
  assert.is(inputsOf({ backend: "singularity", text: inPost })[0]?.mayBeMadeByScript, undefined);
});

test.run();
