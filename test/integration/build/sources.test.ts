/** Builds each kind of source, and passes each option on, with the shipped programs. */
// slow: a dozen builds, some of a second, some on the image of a registry.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILD_OPTIONS, flagOf } from "../../../lib/cli/build/options/option-list.ts";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { writeDockerArchive, writeOciArchive } from "../../support/oci/oci-image.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { testRootfs } from "../../support/rootfs.ts";

const test = suite<{ recipes: RecipeStack }>("sources and options");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
  const { stack } = context.recipes;
  const layers = [await busyboxLayer()];
  writeDockerArchive(stack.path("docker.tar"), layers);
  writeOciArchive(stack.path("oci.tar"), layers);
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

/** Runs container-builder in the stack's folder. */
const call = ({ stack }: RecipeStack, ...args: string[]) =>
  stack.run("container-builder", args, { cwd: stack.folder, env: { WORD: "from the environment" } });

async function built(recipes: RecipeStack, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await call(recipes, ...args);
  assert.is(code, 0, `${args.join(" ")}\n${stdout.slice(-3000)}${stderr}`);
  return { stdout, stderr };
}

test("options that are not needed give one note, -f replaces no image, and -F does", async ({ recipes }) => {
  const { stderr } = await built(recipes, "--fakeroot", "--userns", "first.sif", HELLO);
  assert.match(stderr, /^note: --fakeroot, --userns: not needed, because /m);
  const before = readFileSync(recipes.stack.path("first.sif"));
  const refused = await call(recipes, "-f", "first.sif", HELLO);
  assert.is(refused.code, 64);
  assert.match(refused.stderr, "write -F or --force to replace an image, --file FILE to name a Dockerfile");
  assert.ok(readFileSync(recipes.stack.path("first.sif")).equals(before));
  await built(recipes, "-F", "first.sif", HELLO);
  assert.not.ok(readFileSync(recipes.stack.path("first.sif")).equals(before));
});

test("build arguments come from the command line, the environment and a file", async ({ recipes }) => {
  writeFileSync(recipes.stack.path("args"), "# a comment\nONE = first \nTWO=second\n");
  writeFileSync(
    recipes.stack.path("args.def"),
    `${readFileSync(HELLO, "utf8")}\n%post\n    /bin/busybox echo "{{ ONE }}, {{ TWO }}, {{ WORD }}"\n`,
  );
  const args = ["--build-arg-file", "args", "--build-arg", "TWO=other", "--build-arg", "WORD"];
  const { stdout } = await built(recipes, ...args, "args.sif", "args.def");
  assert.match(stdout, "first, other, from the environment");
  const warned = await built(
    recipes,
    ...args,
    "--build-arg",
    "WORDS=1",
    "--warn-unused-build-args",
    "w.sif",
    "args.def",
  );
  assert.match(warned.stderr, "args.def does not use the build argument WORDS");
});

const SOURCES: readonly (readonly [source: string, run: string, prints: string])[] = [
  ["docker-archive:docker.tar", "cat /etc/base", "from the registry"],
  ["oci-archive://oci.tar", "cat /etc/base", "from the registry"],
  ["first.sif", "cat /etc/hello", "made by container-builder"],
  ["project", "cat /opt/file", "of the project"],
];
for (const [source, command, prints] of SOURCES) {
  test(`${source} is a source`, async ({ recipes }) => {
    mkdirSync(recipes.stack.path("project"), { recursive: true });
    writeFileSync(recipes.stack.path("project", "file"), "of the project\n");
    writeFileSync(
      recipes.stack.path("project", "x.def"),
      "Bootstrap: localimage\nFrom: ../first.sif\n%files\n    file /opt/file\n",
    );
    const name = `source-${source.replace(/\W/g, "-")}`;
    await built(recipes, `${name}.sif`, source);
    assert.match(await recipes.inspect(name, `apptainer exec --unsquash $I ${command}`), prints);
  });
}

test("an image of a registry is a source, and standard input is one", async ({ recipes }) => {
  await built(recipes, "registry.sif", `docker://${recipes.hosts.open}/${IMAGE}`);
  assert.match(await recipes.inspect("registry", "apptainer exec --unsquash $I cat /etc/base"), "from the registry");
  const { stack } = recipes;
  const piped = await stack.runInShell(`"$@" <'${HELLO}'`, "container-builder", [stack.path("piped.sif"), "-"]);
  assert.is(piped.code, 0, piped.stderr);
});

/** The identifier of the compression in the superblock of the image's squashfs: 1 is gzip, 6 is zstd (squashfs-tools). */
function compressionOf(path: string): number {
  const bytes = readFileSync(path);
  return bytes.readUInt16LE(bytes.indexOf("hsqs") + 20);
}

/** The level of gzip, from the options behind the superblock, which mksquashfs writes unless the level is 9. */
function gzipLevelOf(path: string): number {
  const bytes = readFileSync(path);
  const at = bytes.indexOf("hsqs");
  const hasOptions = (bytes.readUInt16LE(at + 24) & 0x400) !== 0;
  return hasOptions ? bytes.readUInt32LE(at + 98) : 9;
}

test("a definition file gets binds, mounts, --notest, --writable-tmpfs and arguments for mksquashfs", async ({
  recipes,
}) => {
  const { stack } = recipes;
  mkdirSync(stack.path("data, with: signs"), { recursive: true });
  writeFileSync(stack.path("data, with: signs", "file"), "bound\n");
  writeFileSync(stack.path("one"), "mounted\n");
  const made = '    mkdir "$APPTAINER_ROOTFS/data"; touch "$APPTAINER_ROOTFS/one"\n';
  const post = "    cat /data/file /one; touch /data/x && echo writable; touch /one || echo read-only\n";
  writeFileSync(
    stack.path("bound.def"),
    `${readFileSync(HELLO, "utf8").replace("\n%post\n", `${made}\n%post\n`).replace("\n%labels", `${post}\n%labels`)}
%test
    echo "tested: $(cat /data/file)"
    touch /new
`,
  );
  const binds = ["--bind", "data\\, with\\: signs:/data", "--mount", "type=bind,src=one,dst=/one,ro"];
  const readOnly = await call(recipes, ...binds, "bound.sif", "bound.def");
  assert.is(readOnly.code, 1, "%test cannot write to the image");
  assert.match(readOnly.stdout, /^bound\nmounted\n/m);
  assert.match(readOnly.stdout, /^writable$/m);
  assert.match(readOnly.stdout, /^read-only$/m);
  assert.match(readOnly.stdout, /^tested: bound$/m);
  const writable = await built(recipes, ...binds, "--writable-tmpfs", "bound.sif", "bound.def");
  assert.match(writable.stdout, /^tested: bound$/m);
  const packed = await built(
    recipes,
    ...binds,
    "-F",
    "-T",
    "--mksquashfs-args",
    "-comp zstd",
    "bound.sif",
    "bound.def",
  );
  assert.not.match(packed.stdout, "tested");
  assert.equal([compressionOf(stack.path("first.sif")), compressionOf(stack.path("bound.sif"))], [1, 6]);
  assert.is(gzipLevelOf(stack.path("first.sif")), 6);
  await recipes
    .inspect("bound", "apptainer exec --unsquash $I ls -A /data; apptainer exec --unsquash $I cat /one")
    .then((kept) => assert.is(kept, "", "the image has no file of the binds"));
});

test("a Dockerfile gets a target, labels and a compression", async ({ recipes }) => {
  const { stack } = recipes;
  mkdirSync(stack.path("docker"), { recursive: true });
  writeFileSync(stack.path("docker", "file"), "of the context\n");
  writeFileSync(
    stack.path("Other"),
    `FROM ${recipes.hosts.open}/${IMAGE} AS one\nCOPY file /file\nFROM one AS two\nRUN exit 7\n`,
  );
  const args = ["--target", "one", "--label", "site=here, and there", "--compression", "fast", "--pull"];
  await built(recipes, ...args, "target.sif", "--file", "Other", "docker");
  const printed = await recipes.inspect("target", "apptainer exec --unsquash $I cat /file; apptainer inspect $I");
  assert.match(printed, "of the context");
  assert.match(printed, "site: here, and there");
  assert.is(compressionOf(stack.path("target.sif")), 6);
});

/** Logins and graphics cards are another subject; --json is the form of the definition. */
const OTHERS = ["--authfile", "--docker-login", "--help", "--json", "--nv", "--nvccli", "--rocm"];

test("each option of `apptainer build` is known", async () => {
  const command = ["apptainer", "build", "--help"];
  const { stdout } = await runInSandbox({ rootfs: await testRootfs(), command, stdio: "pipe" });
  const flags = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
  assert.ok(flags.length > 30, stdout);
  const known = [...BUILD_OPTIONS.map(flagOf), ...OTHERS];
  assert.equal(
    flags.filter((flag) => !known.includes(flag)),
    [],
  );
});

test.run();
