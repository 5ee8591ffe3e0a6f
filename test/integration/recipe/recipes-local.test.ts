/** Recipes with files of their caller: local base images of every kind, %files, a Dockerfile's context. */
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

/** What the image prints when it is run; called from the folder that the recipe's paths start from. */
async function ran(stack: Stack, name: string, recipe: string): Promise<string> {
  writeFileSync(stack.path(name), recipe);
  const { code, stdout, stderr } = await stack.run("container-builder", [`${name}.sif`, name], { cwd: stack.folder });
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  const run = await runImageInSandbox(stack.path(`${name}.sif`), { rootfs: await testRootfs(), stdio: "pipe" });
  return run.stdout;
}

/** From the caller's directory and absolute; that `oci-archive` is found from there too, the tests below show. */
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
    assert.match(await ran(stack, `on-${bootstrap}-${named}`, recipe), prints);
  });
}

test("%files takes a file, a folder and a pattern, with modes", async ({ stack }) => {
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
  assert.is(await ran(stack, "files-section", recipe), "one\none\ntwo\n");
});

/** After the first example of apptainer's user guide, "Definition Files": its base image and its packages are on the net. */
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

test("the example of apptainer's user guide builds, with the file that its %setup makes", async ({ stack }) => {
  assert.match(await ran(stack, "guide", OF_THE_USER_GUIDE), /^Container was created \w+/);
});

test("a Dockerfile copies from its caller's directory, and .dockerignore holds back", async ({ stack }) => {
  writeFileSync(stack.path(".dockerignore"), "files/one\n");
  const recipe = `FROM scratch
ADD bases/oci.tar /unpacked/
COPY files /opt/files
`;
  // A base of the caller's own: scratch and the busybox that the archive's layer has are enough to run a shell.
  writeFileSync(stack.path("layer.tar"), await busyboxLayer());
  const shell = `${recipe}ADD layer.tar /\nCMD ["/bin/sh", "-c", "/opt/files/sub/script; ls /opt/files /unpacked"]\n`;
  const seen = await ran(stack, "context", shell);
  assert.match(seen, "two");
  assert.match(seen, "index.json");
  assert.not.match(seen, "one");
});

test.run();
