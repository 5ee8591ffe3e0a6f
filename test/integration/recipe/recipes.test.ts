/** Builds typical definition files with the shipped programs, on images of real registries. */
// slow: builds that unpack a base image of a registry, many seconds each.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

/** Port 1: no program listens there, and the packet filter of a sandbox rejects it. */
const DOWN = `${HOST_LOOPBACK}:1`;

const test = suite<{ recipes: RecipeStack }>("recipes");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

test("builders contact an unnamed registry only with TLS, even at a private address", async ({ recipes }) => {
  const onUnnamed = [
    // plainHttp for one registry does not extend to another registry of the same recipe.
    `Bootstrap: docker\nFrom: ${recipes.hosts.open}/${IMAGE}\nStage: one\n\nBootstrap: docker\nFrom: {{ HOST }}/${IMAGE}\n\n%arguments\n    HOST=${recipes.hosts.unnamed}\n`,
    `FROM ${recipes.hosts.unnamed}/${IMAGE}\n`,
  ];
  for (const recipe of onUnnamed) {
    const { code, stdout, stderr } = await recipes.build("unnamed", recipe);
    assert.is(code, 1, stdout + stderr);
    assert.match(stdout, "server gave HTTP response to HTTPS client");
    assert.match(stderr, /the build failed: \w+ build ended with exit code \d+: the registry has no TLS; an operator/);
  }
});

test("a registry that refuses, is down or lacks the image fails the build with code 1 and the remedy", async ({
  recipes,
}) => {
  for (const head of ["Bootstrap: docker\nFrom: ", "FROM "]) {
    const refused = await recipes.build("refused", `${head}${recipes.hosts.basic}/${IMAGE}\n`);
    assert.is(refused.code, 1, refused.stderr);
    assert.match(refused.stdout, /authentication required/);
    assert.match(refused.stderr, /the registry \S+ refuses the base image without a login; log in/);
    const down = await recipes.build("down", `${head}${DOWN}/${IMAGE}\n`);
    assert.is(down.code, 1, down.stderr);
    assert.match(down.stdout, /dial tcp .*:1: connect: /);
    assert.match(down.stderr, "the builder cannot reach the registry; correct its name");
    const unknown = await recipes.build("unknown", `${head}${recipes.hosts.open}/site/none:1\n`);
    assert.is(unknown.code, 1, unknown.stderr);
    assert.match(unknown.stderr, "the registry has no such image; correct its name or tag", unknown.stdout);
  }
});

test("a stage copies files from another stage, on images of a named plain-http registry", async ({ recipes }) => {
  await recipes.built(
    "stages",
    `Bootstrap: docker
From: ${recipes.hosts.open}/${IMAGE}
Stage: build

%arguments
    WHERE=/made

%post
    mkdir {{ WHERE }}
    echo made in the first stage > {{ WHERE }}/file

Bootstrap: docker
From: ${recipes.hosts.open}/${IMAGE}
Stage: final

%files from build
    /made/file /opt/file

%runscript
    cat /opt/file
`,
  );
  assert.is(await recipes.inspect("stages", "apptainer run --unsquash $I"), "made in the first stage\n");
});

test("every section of a definition file takes effect", async ({ recipes }) => {
  const output = await recipes.built(
    "sections",
    `Bootstrap: docker
From: ${recipes.hosts.open}/${IMAGE}

%arguments
    WORD=argument

%pre
    echo "pre runs on $(hostname)"

%setup
    echo "from setup" > "\${APPTAINER_ROOTFS}/etc/setup"

%post
    cat /etc/setup
    echo "post has the {{ WORD }}"
    echo 'export FROM_POST="set in post"' >> "$APPTAINER_ENVIRONMENT"

%environment
    export COLOUR=green

%runscript
    echo "run $COLOUR $FROM_POST $*"

%startscript
    echo started > /tmp/started

%files
    sections /etc/recipe

%test
    echo "the test runs"
    test -e /etc/setup

%labels
    Author tester
    Version v1.2.3

%help
    This is help.

%appinstall foo
    echo "installs foo"
    touch foo-was-installed

%appfiles foo
    sections recipe-of-foo

%appenv foo
    export FLAVOUR=mild

%apprun foo
    echo "app foo $FLAVOUR"

%appstart foo
    echo "starts foo"

%applabels foo
    Flavour mild

%apphelp foo
    This is the help of foo.

%apptest foo
    echo "tests foo"
`,
  );
  for (const line of [
    "pre runs on container-builder",
    "from setup",
    "post has the argument",
    "installs foo",
    "the test runs",
  ])
    assert.match(output, line);
  const printed = await recipes.inspect(
    "sections",
    `apptainer run --unsquash $I a b
     apptainer run --unsquash --app foo $I
     apptainer test --unsquash $I
     apptainer test --unsquash --app foo $I
     apptainer inspect --labels $I
     apptainer inspect --labels --app foo $I
     apptainer inspect --deffile --startscript $I
     apptainer run-help $I
     apptainer run-help --app foo $I
     apptainer exec --unsquash $I head -n 1 /etc/recipe
     apptainer exec --unsquash $I cat /scif/apps/foo/scif/startscript
     apptainer exec --unsquash $I ls /scif/apps/foo`,
  );
  for (const line of [
    "run green set in post a b",
    "app foo mild",
    "the test runs",
    "tests foo",
    "Author: tester",
    "Version: v1.2.3",
    "Flavour: mild",
    "echo started > /tmp/started",
    "This is help.",
    "This is the help of foo.",
    "\nBootstrap: docker\n",
    "starts foo",
    "recipe-of-foo",
    "foo-was-installed",
  ])
    assert.match(printed, line);
});

test.run();
