/** Recipes that failed in the field, built with the shipped programs, and by hand with the builder's own programs. */
// slow: a dozen builds.
// timeout: 600 s
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { recipe } from "../../support/recipe/recipes.ts";
import { sabotaging } from "../../support/recipe/saboteur.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("faults from the field");

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

const MADE_BY_SETUP = `    mkdir -p made/deep && echo below > made/deep/below
    url=http://example.invalid/pub/tool.tar; echo last > "$(basename "$url")"
    echo glob > made/one.txt
    version=1.2; echo variable > "lib-$version.so"
    echo "setup prints" >/dev/stdout`;

test("%files copies what %setup makes, and apptainer's own error names what it does not make", async ({ stack }) => {
  const post = `    cat /f/below /f/tool.tar /f/one.txt /f/lib-1.2.so
    (read a <&1) || echo "post reads nothing" >/dev/stderr`;
  for (const [folder, more] of [
    ["made", ""],
    ["unmade", "    made/other /f/\n"],
  ] as const) {
    mkdirSync(stack.path(folder));
    const text = readFileSync(recipe(stack, folder, post), "utf8")
      .replace("%setup\n", () => `%setup\n${MADE_BY_SETUP}\n    mkdir "$APPTAINER_ROOTFS/f"\n`)
      .concat(`\n%files\n    made/deep/below /f/\n    tool.tar /f/\n    made/*.txt /f/\n    lib-1.2.so /f/\n${more}`);
    write(stack, `${folder}/R.def`, text);
  }
  const [made, unmade] = await Promise.all([build(stack, "made", ["R.def"]), build(stack, "unmade", ["R.def"])]);
  assert.is(made.code, 0, made.stdout + made.stderr);
  assert.match(made.stdout, "below\nlast\nglob\nvariable\n");
  assert.match(made.stderr, /note: 4 files of the recipe do not exist here; the recipe's own scripts must make them/);
  for (const line of ["setup prints", "post reads nothing"]) assert.match(made.stdout, new RegExp(`^${line}$`, "m"));
  assert.is(unmade.code, 1, unmade.stderr);
  assert.match(unmade.stdout, /made\/other/);
});

test("mknod in %setup fails with a remedy", async ({ stack }) => {
  const path = recipe(stack, "device", "    true");
  const text = readFileSync(path, "utf8").replace("%setup\n", '%setup\n    mknod "$APPTAINER_ROOTFS/null" c 1 3\n');
  writeFileSync(path, text);
  const { code, stderr } = await stack.run("container-builder", [stack.path("device.sif"), path]);
  assert.is(code, 1, stderr);
  assert.match(stderr, /no right to make device files \(mknod\).*or build on a pool of virtual machines/);
});

/** The agent finds a directory in place of the image, and reports the builder as broken while the client waits for the image. */
const BROKEN = `kill -STOP "$agent"
until grep -q '^State:.Z' "/proc/$builder/status"; do sleep 0.02; done
rm "$image" && mkdir "$image"
kill -CONT "$agent"`;
/** The agent is killed while it sends the image. */
const LOST = `until ls -l "/proc/$agent/fd" | grep -q "$image"; do sleep 0.02; done
kill -KILL "$agent"`;

test("--force keeps the old image when the builder breaks or is lost after it has announced a new one", async ({
  stack,
}) => {
  const paths = {
    broken: sabotaging(stack, "broken", BROKEN),
    lost: sabotaging(stack, "lost", LOST, "dd if=/dev/urandom of=/large bs=1M count=64 2>/dev/null"),
  };
  const builds = Object.entries(paths).map(async ([name, path]) => {
    write(stack, `${name}/kept.sif`, "old");
    const args = ["--force", stack.path(name, "kept.sif"), path];
    const { code, stdout } = await stack.runOnTerminal("container-builder", args);
    assert.is(code, 75, stdout);
    assert.match(stdout, /Transferring kept\.sif: /, "the client fetched an image");
    assert.equal(readdirSync(stack.path(name)), ["kept.sif"]);
    assert.is(readFileSync(stack.path(name, "kept.sif"), "utf8"), "old");
    return stdout;
  });
  const [broken = "", lost = ""] = await Promise.all(builds);
  assert.match(broken, /the build was lost: builder cb-\w+ reported itself broken|EISDIR/);
  assert.match(lost, /the build was lost: .*SIGKILL/s);
});

const FULL_SCREEN = "printf '\\033[?1049h\\033[?1000h\\033[?2004h\\033[2Jmenu'";

test("a build that leaves the terminal in another mode does not leave it so", async ({ stack }) => {
  const path = recipe(stack, "screen", `    ${FULL_SCREEN}`);
  const { code, stdout } = await stack.runOnTerminal("container-builder", [stack.path("screen.sif"), path]);
  assert.is(code, 0, stdout);
  const after = stdout.slice(stdout.lastIndexOf("menu"));
  for (const mode of ["1049", "1000", "2004"]) assert.ok(after.includes(`\u001b[?${mode}l`), mode);
  assert.ok(after.indexOf("\u001b[?1049l") < after.indexOf("Completed"), "our lines are on the first screen");
});

test.run();
