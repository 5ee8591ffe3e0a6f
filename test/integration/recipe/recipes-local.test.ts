/**
 * Builds recipes that read the caller's files: local base images of every kind, %files, the context of a Dockerfile.
 */
// slow: more than a dozen builds.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runImageInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { writeDockerArchive, writeOciArchive } from "../../support/oci/oci-image.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("recipes with local files");

test.before(async (context) => {
  context.stack = await Stack.start();
  const { stack } = context;
  const layers = [await busyboxLayer()];
  mkdirSync(stack.path("bases"));
  writeOciArchive(stack.path("bases", "oci.tar"), layers);
  writeDockerArchive(stack.path("bases", "docker.tar"), layers);
  const hello = await stack.run("container-builder", [stack.path("bases", "hello.sif"), HELLO]);
  assert.is(hello.code, 0, hello.stderr);
  mkdirSync(stack.path("files", "sub"), { recursive: true });
  writeFileSync(stack.path("files", "one"), "one\n");
  writeFileSync(stack.path("files", "sub", "script"), "#!/bin/sh\necho two\n");
  chmodSync(stack.path("files", "sub", "script"), 0o755);
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Builds the recipe in the stack's folder, runs the image and returns its output. */
async function buildAndRun(stack: Stack, name: string, recipe: string): Promise<string> {
  writeFileSync(stack.path(name), recipe);
  const { code, stdout, stderr } = await stack.run("container-builder", [`${name}.sif`, name], { cwd: stack.folder });
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  const run = await runImageInSandbox(stack.path(`${name}.sif`), { rootfs: await testRootfs(), stdio: "pipe" });
  return run.stdout;
}

/** Relative and absolute paths. The tests below cover `oci-archive` with a relative path. */
const BASES: readonly (readonly [bootstrap: string, path: string, isAbsolute: boolean, prints: string])[] = [
  ["localimage", "bases/hello.sif", false, "made by container-builder"],
  ["localimage", "bases/hello.sif", true, "made by container-builder"],
  ["oci-archive", "bases/oci.tar", true, "from the registry"],
  ["docker-archive", "bases/docker.tar", false, "from the registry"],
];
for (const [bootstrap, path, isAbsolute, prints] of BASES) {
  const named = isAbsolute ? "absolute" : "relative";
  test(`a definition file builds on ${bootstrap}, with a path that is ${named}`, async ({ stack }) => {
    const from = isAbsolute ? stack.path(path) : path;
    const recipe = `Bootstrap: ${bootstrap}\nFrom: ${from}\n\n%runscript\n    cat /etc/hello /etc/base 2>/dev/null || true\n`;
    assert.match(await buildAndRun(stack, `on-${bootstrap}-${named}`, recipe), prints);
  });
}

test("%files copies a file, a folder and the matches of a pattern, with their modes", async ({ stack }) => {
  const recipe = `Bootstrap: oci-archive
From: bases/oci.tar

%files
    files/one /opt/one
    files/sub /opt/
    files/o* /srv/

%runscript
    cat /opt/one /srv/one
    /opt/sub/script
`;
  assert.is(await buildAndRun(stack, "files-section", recipe), "one\none\ntwo\n");
});

/**
 * The first example of apptainer's user guide ("Definition Files"), without the base image and packages that it fetches
 * from the Internet.
 */
const OF_THE_USER_GUIDE = `Bootstrap: oci-archive
From: bases/oci.tar

%setup
    touch /file1
    touch \${APPTAINER_ROOTFS}/file2

%files
    /file1
    /file1 /opt

%environment
    export LISTEN_PORT=54321
    export LC_ALL=C

%post
    test -e /file1 && test -e /opt/file1 && test -e /file2
    NOW=\`date\`
    echo "export NOW=\\"\${NOW}\\"" >> $APPTAINER_ENVIRONMENT

%runscript
    echo "Container was created $NOW"
    echo "Arguments received: $*"
    exec echo "$@"

%startscript
    nc -lp $LISTEN_PORT

%test
    grep -q registry /etc/base || exit 1

%labels
    Author myuser@example.com
    Version v0.0.1

%help
    This is a demo container used to illustrate a def file.
`;

test("the example of apptainer's user guide builds with the file that its %setup makes", async ({ stack }) => {
  assert.match(await buildAndRun(stack, "guide", OF_THE_USER_GUIDE), /^Container was created \w+/);
});

test("a Dockerfile copies from the caller's directory, except files in .dockerignore", async ({ stack }) => {
  writeFileSync(stack.path(".dockerignore"), "files/one\n");
  const recipe = `FROM scratch
ADD bases/oci.tar /unpacked/
COPY files /opt/files
`;
  // The base is built from the caller's own files: scratch and a layer with busybox are enough to run a shell.
  writeFileSync(stack.path("layer.tar"), await busyboxLayer());
  const shell = `${recipe}ADD layer.tar /\nCMD ["/bin/sh", "-c", "/opt/files/sub/script; ls /opt/files /unpacked"]\n`;
  const printed = await buildAndRun(stack, "context", shell);
  assert.match(printed, "two");
  assert.match(printed, "index.json");
  assert.not.match(printed, "one");
});

test.run();
