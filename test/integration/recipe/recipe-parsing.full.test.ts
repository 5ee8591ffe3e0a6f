/** Compares inputsOf() with apptainer and buildah themselves, where their documentation is unclear. */
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import { tryRecipes } from "../../support/recipe/recipe-trials.ts";

const test = suite("recipe parsing");

const SCRATCH = "Bootstrap: scratch\n";
const singularity = (text: string, buildArgs: Record<string, string> = {}): Recipe => ({
  backend: "singularity",
  text,
  buildArgs,
});
const docker = (text: string, buildArgs: Record<string, string> = {}): Recipe => ({
  backend: "docker",
  text,
  buildArgs,
});
const files = (...lines: string[]): Recipe => singularity(`${SCRATCH}%files\n${lines.join("\n")}\n`);

/** Asserts that each recipe builds by hand, and gives the same image from its inputs alone. */
async function assertSameImages(recipes: readonly Recipe[]): Promise<void> {
  for (const [index, { byHand, fromMirror }] of (await tryRecipes(recipes)).entries()) {
    const text = recipes[index]?.text ?? "";
    assert.is.not(byHand, "failed", text);
    assert.is.not(byHand, "", text);
    assert.is(fromMirror, byHand, text);
  }
}

/** Asserts that each recipe fails by hand, and that inputsOf() refuses it. */
async function assertRefused(recipes: readonly Recipe[]): Promise<void> {
  for (const [index, { byHand, fromMirror }] of (await tryRecipes(recipes)).entries()) {
    assert.is(byHand, "failed", recipes[index]?.text);
    assert.is(fromMirror, undefined, recipes[index]?.text);
  }
}

test("apptainer builds the same image from the inputs of a definition file", async () => {
  await assertSameImages([
    files("a", "b /x/", '"with blank" "/in side/"', "am\\&p /x/", "do\\$HOME /x/", "back\\\\slash"),
    files("b?.txt /x/", "star\\* /y/", "{a,b} /z/", "b{1..2}.txt /w/", "**/in /v/", "b[!1].txt /u/"),
    files("* /x/"),
    files("data", "dirlink /x/", "data/link /y/", "uplink /z/"),
    files(". /x"),
    files("~/up.txt", "$HOME/other /x/", "../$OTHER/o1.txt /y/"),
    files("../up.txt", "../other/ /x/"),
    files(
      "/w/u/up.txt",
      "  /w/u/other/*.txt",
      "/w/u/other /x/",
      "/w/u/p/am\\&p",
      "/w/u/p/do\\$HOME",
      "/w/u/p/back\\\\slash",
    ),
    files("/w/u/p/../other", '"/w/u/p/with blank"', "/w/u/{up.txt,other/o*} # x", "/w/u/p/star\\* /x/"),
    files('""a /nothing', '"a"/x/', "b /y # z", "b1.txt    /z   extra"),
    singularity(`${SCRATCH}%files # c\r\na /x/\r\nb\r\n%FILES\n  b1.txt\n%files other\nb2.txt\n`),
    singularity(`${SCRATCH}%arguments\n n = /w/u\n m={{ n }}/up.txt\n%files\n{{ m }}\n{{ n }}/other /x/ # {{ no }}\n`),
    singularity(`${SCRATCH}%files\n{{ two }}\n`, { two: "/w/u/up.txt /x/ # c" }),
    singularity(`${SCRATCH}Stage: one\n%files\na /x/a\n${SCRATCH}%files from one\n/x/a /y/\n%files\nb /z/\n`),
    singularity(`${SCRATCH}%files\n{{ a }}/{{ b }} /x/\n{{ b }} /y/\n`, { a: "/w/u/other", b: "*" }),
  ]);
});

test("apptainer builds on the local base images that inputsOf() lists", async () => {
  await assertSameImages([
    singularity("Bootstrap: localimage\nFrom: ../base\n%files\na /x/\n"),
    singularity("bootstrap:localimage\nFrom: /w/u/p/../base # c\n"),
    singularity("BOOTSTRAP : localimage\nRegistry: r\nfrom: ../ba\\\n  se\n"),
    singularity("Bootstrap: localimage\nFrom: {{ base }}\n", { base: "/w/u/base" }),
  ]);
});

test("apptainer refuses the sources that inputsOf() refuses", async () => {
  await assertRefused([
    files("'with blank' /x/"),
    files("am&p /x/"),
    files('"am&p" /x/'),
    files('"with\\ blank" /x/'),
    singularity(`${SCRATCH}%files\n{{ none }} /x/\n`),
  ]);
});

/** Names each file once, so that the input of one instruction cannot hide a missing input of another. */
const DOCKERFILE = `ARG V=1
FROM scratch AS one
ARG V
ENV W=$V
ONBUILD COPY none /onbuild/
COPY a /from/
FROM one
COPY --from=one /from /copy/
ARG X
COPY app-$W.tar $X\${W}.txt /variables/
COPY /b data/../../b2.txt /paths/
COPY ["with blank", "/json/"] junk
COPY "starx" 'br0.txt' /quotes/
COPY do[^x]H* /patterns/
COPY data/**/*.txt /folders/
ADD {x,y} /braces/
COPY <<EOF .hidden /document/
COPY none /none/
EOF
COPY am&p \\
# comment

   # comment
  c /continued/
`;

test("buildah builds the same image from the inputs of a Dockerfile", async () => {
  await assertSameImages([
    docker(DOCKERFILE, { X: "b" }),
    docker("# escape=`\r\nFROM scratch\r\nCOPY a `\r\n b /x/\r\n"),
  ]);
});

test.run();
