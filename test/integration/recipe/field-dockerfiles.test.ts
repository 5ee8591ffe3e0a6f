/** Dockerfiles that failed in the field, built with the shipped programs, and by hand with the builder's own buildah. */
// slow: four builds with buildah.
// timeout: 600 s
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("dockerfiles from the field");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

function write(stack: Stack, path: string, text: string | Buffer): void {
  mkdirSync(dirname(stack.path(path)), { recursive: true });
  writeFileSync(stack.path(path), text);
}

const build = (stack: Stack, folder: string, args: readonly string[]): Promise<Finished> =>
  stack.run("container-builder", ["--no-tty", "--force", stack.path(`${folder}.sif`), ...args], {
    cwd: stack.path(folder),
  });

/** Runs a shell script in a sandbox with the builder's programs. `/w` is a copy of that folder of the stack. */
async function byHand(stack: Stack, folder: string, script: string): Promise<string> {
  chmodSync(stack.path(folder), 0o755);
  const { code, stdout, stderr } = await runInSandbox({
    rootfs: await testRootfs(),
    command: ["bash", "-c", `cp -r /from /w && cd /w && export STORAGE_DRIVER=vfs && ${script}`],
    binds: [{ from: stack.path(folder), to: "/from" }],
    stdio: "pipe",
  });
  assert.is(code, 0, stderr);
  return stdout;
}

const BUILDAH = "buildah bud --isolation=chroot --layers=false";
/** The lines that `find /c` printed. */
const foundIn = (output: string): string[] => output.split("\n").filter((line) => line.startsWith("/c/"));

/** Sources of COPY and ADD of which one at least exists. */
const PRESENT: readonly string[] = [
  "COPY there.txt perhaps*",
  "ADD perhap? there.txt",
  "COPY there.txt perhap[st]",
  'COPY ["perhaps*", "there.txt"',
  "COPY there.txt $NAME* a*",
  "COPY there.txt nofolder/* nofolder/*/deep",
];
const PRESENT_DOCKERFILE = [
  "FROM scratch",
  "ADD layer.tar /",
  "ARG NAME=none",
  ...PRESENT.map((line, n) => (line.includes('"') ? `${line}, "/c/${n}/"]` : `${line} /c/${n}/`)),
  'RUN ["/bin/busybox", "find", "/c", "-type", "f"]',
  "",
].join("\n");
/** Instructions without any source. */
const ABSENT: readonly string[] = ["COPY perhaps* nofolder/* /c/", 'ADD ["perhap?", "/c/"]', "COPY there.txt gone /c/"];

test("sources of COPY and ADD that match nothing have the effect that they have in buildah", async ({ stack }) => {
  write(stack, "copy/layer.tar", await busyboxLayer());
  for (const path of ["there.txt", "a1", "sub/x"]) write(stack, `copy/${path}`, path);
  write(stack, "copy/Dockerfile", PRESENT_DOCKERFILE);
  for (const [n, line] of ABSENT.entries()) write(stack, `copy/no${n}`, `FROM scratch\nARG NAME=none\n${line}\n`);
  const [hand, built] = await Promise.all([
    byHand(
      stack,
      "copy",
      `${BUILDAH} . 2>&1; for n in ${[...ABSENT.keys()].join(" ")}; do ${BUILDAH} -f no$n . >/dev/null 2>&1; echo "absent $?"; done`,
    ),
    build(stack, "copy", ["Dockerfile"]),
  ]);
  assert.is(built.code, 0, built.stdout + built.stderr);
  assert.equal(foundIn(built.stdout).sort(), foundIn(hand).sort());
  assert.is(foundIn(hand).length, PRESENT.length + 1, "each instruction has there.txt, one has a1 too");
  assert.equal(
    hand.match(/^absent \d+$/gm),
    ABSENT.map(() => "absent 125"),
  );
  for (const n of ABSENT.keys()) {
    const { code, stderr } = await build(stack, "copy", [`no${n}`]);
    assert.is(code, 64, `${ABSENT[n]}: ${stderr}`);
    assert.match(stderr, /line 3: (COPY|ADD): \S+ (matches nothing|does not exist)/);
  }
});

/** Each folder with its ignore files; "secret" must not be in the image. */
const IGNORED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  docker: { "D.dockerignore": "secret\n", ".dockerignore": "kept\n" },
  container: { "D.containerignore": "secret\n", ".containerignore": "kept\n" },
};

test("the image has no file that the ignore file of the Dockerfile excludes, also with --context", async ({
  stack,
}) => {
  const layer = await busyboxLayer();
  const text = 'FROM scratch\nADD layer.tar /\nCOPY . /c/\nRUN ["/bin/busybox", "find", "/c", "-type", "f"]\n';
  for (const folder of [...Object.keys(IGNORED), "linked"]) {
    for (const [name, content] of Object.entries({ "layer.tar": layer, D: text, kept: "kept", secret: "secret" }))
      write(stack, `${folder}/${name}`, content);
  }
  for (const [folder, files] of Object.entries(IGNORED))
    for (const [name, content] of Object.entries(files)) write(stack, `${folder}/${name}`, content);
  write(stack, "linked/shared/ignore", "secret\n");
  symlinkSync("shared/ignore", stack.path("linked/.dockerignore"));
  const builds = [
    build(stack, "docker", ["D"]),
    // The recipe is relative to the working directory, and its paths to the context.
    build(stack, "container", ["--context", "../container", "./D"]),
    build(stack, "linked", ["D"]),
  ];
  for (const { code, stdout, stderr } of await Promise.all(builds)) {
    assert.is(code, 0, stdout + stderr);
    assert.ok(foundIn(stdout).includes("/c/kept"), stdout);
    assert.not.ok(foundIn(stdout).includes("/c/secret"), stdout);
  }
});

test.run();
