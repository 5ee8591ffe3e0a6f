/** Recipes as people write them, through the shipped programs: definition files and Dockerfiles on images of a real registry. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse, stringify } from "yaml";
import { destroyAllSandboxes } from "../../lib/provider/sandbox/destroy.ts";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import { runInSandbox } from "../../lib/provider/sandbox/run.ts";
import { busyboxLayer } from "../support/busybox-layer.ts";
import { push, type RunningRegistry, startRegistry } from "../support/docker-registry.ts";
import { testRootfs } from "../support/rootfs.ts";
import { type Finished, type Running, Stack } from "../support/stack.ts";

/** crypt(3) of a password with cost 5, as `htpasswd -B` makes it. */
const HTPASSWD = "site:$2b$05$abcdefghijklmnopqrstuupdwjCkan1ZJuUj4h8YhSom.c5Jduu3e\n";
const IMAGE = "site/busybox:1";

interface Context {
  folder: string;
  registries: RunningRegistry[];
  /** As builders see them; the configuration names the first and the second one. */
  open: string;
  basic: string;
  unnamed: string;
  stack: Stack;
  queue: Running;
}
const test = suite<Context>("recipes");

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-recipes-"));
  context.folder = folder;
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  const auth = { htpasswd: { realm: "test", path: join(folder, "htpasswd") } };
  const open = await startRegistry({ folder });
  context.registries = [open, await startRegistry({ folder, auth }), await startRegistry({ folder })];
  await push(open.host, "site/busybox", ["1"], [await busyboxLayer()]);
  const [first = "", second = "", third = ""] = context.registries.map(({ host }) => asSeenInside(host));
  Object.assign(context, { open: first, basic: second, unnamed: third });
  context.stack = await Stack.start();
  context.queue = await queueWith(context.stack, { reachable: [first, second, third], plainHttp: [first, second] });
});
test.after(async ({ folder, registries, stack, queue }) => {
  queue?.kill("SIGTERM");
  await queue?.finished;
  await Promise.all((registries ?? []).map((one) => one.stop()));
  rmSync(folder, { recursive: true, force: true });
  await stack?.stop();
});

const asSeenInside = (host: string): string => host.replace("127.0.0.1", HOST_LOOPBACK);

/** Replaces the stack's queue, and the builders that stand behind the old filter. */
async function queueWith(stack: Stack, hosts: { reachable: string[]; plainHttp: string[] }): Promise<Running> {
  const config = parse(readFileSync(stack.statePath("queue.yaml"), "utf8"));
  const [{ provider }] = config.pools;
  provider.allowHostPorts.push(...hosts.reachable);
  const registries = hosts.plainHttp.map((host) => ({ host, plainHttp: true }));
  writeFileSync(stack.path("queue.yaml"), stringify({ ...config, registries }));
  await stack.queueEnds("SIGTERM");
  await destroyAllSandboxes(provider.stateDir);
  const queue = stack.start("cb-queue", ["--config", stack.path("queue.yaml")]);
  await queue.seen(/cb-queue answers/);
  return queue;
}

/** The recipe under a name that says nothing of its kind. */
function build(stack: Stack, name: string, recipe: string): Promise<Finished> {
  writeFileSync(stack.path(name), recipe);
  return stack.run("container-builder", [stack.path(`${name}.sif`), stack.path(name)]);
}

async function built(stack: Stack, name: string, recipe: string): Promise<string> {
  const { code, stdout, stderr } = await build(stack, name, recipe);
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  return stdout;
}

/** What a shell prints that has `apptainer` and the image as $I. */
async function look(stack: Stack, name: string, script: string): Promise<string> {
  const command = ["bash", "-c", `apptainer() { command apptainer --silent "$@"; }; I=/image.sif; ${script}`];
  const binds = [{ from: stack.path(`${name}.sif`), to: "/image.sif" }];
  const { stdout, stderr } = await runInSandbox({ rootfs: await testRootfs(), command, binds, stdio: "pipe" });
  return stdout + stderr;
}

test("a definition file builds on an image of a plain-http registry that the configuration names", async ({
  stack,
  open,
}) => {
  const recipe = `Bootstrap: docker\nFrom: ${open}/${IMAGE}\n\n%post\n    cat /etc/base\n`;
  assert.match(await built(stack, "named", recipe), "from the registry");
});

test("a registry that is not named is not asked without TLS, whatever apptainer thinks of its address", async ({
  stack,
  open,
  unnamed,
}) => {
  const onUnnamed = [
    `Bootstrap: docker\nFrom: ${unnamed}/${IMAGE}\n`,
    // The permission for one registry is none for another of the same recipe.
    `Bootstrap: docker\nFrom: ${open}/${IMAGE}\nStage: one\n\nBootstrap: docker\nFrom: ${unnamed}/${IMAGE}\n`,
    `Bootstrap: docker\nFrom: {{ HOST }}/${IMAGE}\n\n%arguments\n    HOST=${unnamed}\n`,
    `FROM ${unnamed}/${IMAGE}\n`,
  ];
  for (const recipe of onUnnamed) {
    const { code, stdout, stderr } = await build(stack, "unnamed", recipe);
    assert.is(code, 1, stdout + stderr);
    assert.match(stdout, "server gave HTTP response to HTTPS client");
  }
});

test("a registry that refuses, or is down, fails the build with exit code 1 and words", async ({ stack, basic }) => {
  for (const head of ["Bootstrap: docker\nFrom: ", "FROM "]) {
    const refused = await build(stack, "refused", `${head}${basic}/${IMAGE}\n`);
    assert.is(refused.code, 1, refused.stderr);
    assert.match(refused.stdout, /authentication required/);
    const down = await build(stack, "down", `${head}${HOST_LOOPBACK}:1/${IMAGE}\n`);
    assert.is(down.code, 1, down.stderr);
    assert.match(down.stdout, /dial tcp .*:1: connect: /);
  }
});

test("a definition file with stages copies from one into the other", async ({ stack, open }) => {
  await built(
    stack,
    "stages",
    `Bootstrap: docker
From: ${open}/${IMAGE}
Stage: build

%arguments
    WHERE=/made

%post
    mkdir {{ WHERE }}
    echo made in the first stage > {{ WHERE }}/thing

Bootstrap: docker
From: ${open}/${IMAGE}
Stage: final

%files from build
    /made/thing /opt/thing

%runscript
    cat /opt/thing
`,
  );
  assert.is(await look(stack, "stages", "apptainer run --unsquash $I"), "made in the first stage\n");
});

test("every section of a definition file has its effect", async ({ stack, open }) => {
  const output = await built(
    stack,
    "sections",
    `Bootstrap: docker
From: ${open}/${IMAGE}

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

%test
    echo "the test runs"
    test -e /etc/setup

%labels
    Author somebody
    Version v1.2.3

%help
    This is help.

%appinstall foo
    echo "installs foo"
    touch foo-was-installed

%appenv foo
    export SHAPE=round

%apprun foo
    echo "app foo $SHAPE"

%applabels foo
    Shape round

%apphelp foo
    This is the help of foo.

%apptest foo
    echo "tests foo"
`,
  );
  for (const line of ["pre runs on cb-", "from setup", "post has the argument", "installs foo", "the test runs"])
    assert.match(output, line);
  const seen = await look(
    stack,
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
     apptainer exec --unsquash $I ls /scif/apps/foo`,
  );
  for (const line of [
    "run green set in post a b",
    "app foo round",
    "the test runs",
    "tests foo",
    "Author: somebody",
    "Version: v1.2.3",
    "Shape: round",
    "echo started > /tmp/started",
    "This is help.",
    "This is the help of foo.",
    "foo-was-installed",
  ])
    assert.match(seen, line);
});

test("a Dockerfile with arguments, stages, a user and an entrypoint becomes an image that runs", async ({
  stack,
  open,
}) => {
  const output = await built(
    stack,
    "dockerfile",
    `# A comment first.
ARG TAG=1
FROM ${open}/site/busybox:\${TAG} AS build
ARG WORD=argument
RUN <<EOF
echo "the $WORD"
mkdir /made
echo made in the first stage > /made/thing
EOF

FROM scratch AS tools
COPY --from=build /made /opt/made

FROM ${open}/${IMAGE}
COPY --from=build /bin/busybox /opt/
COPY --from=tools --chmod=444 /opt/made/thing /opt/thing
ENV COLOUR=green FROM="the Dockerfile"
LABEL author="somebody"
WORKDIR /work/here
RUN pwd && id -u && touch root
USER guest
RUN id -u
HEALTHCHECK CMD true
EXPOSE 80
ENTRYPOINT ["/bin/sh", "-c", "cat /opt/thing; echo \\"$0 $COLOUR $FROM\\""]
CMD ["command"]
`,
  );
  for (const line of [
    /^the argument$/m,
    /^\/work\/here$/m,
    /^0$/m,
    /^1000$/m,
    /HEALTHCHECK is not supported .* ignored/,
  ])
    assert.match(output, line);
  const seen = await look(
    stack,
    "dockerfile",
    `apptainer run --unsquash $I; apptainer run --unsquash $I other; apptainer inspect $I`,
  );
  for (const line of [
    "made in the first stage\ncommand green the Dockerfile\n",
    "other green the Dockerfile\n",
    "author: somebody",
  ])
    assert.match(seen, line);
});

test("a Dockerfile's SHELL is heeded", async ({ stack, open }) => {
  const output = await built(
    stack,
    "shell",
    `FROM ${open}/${IMAGE}\nSHELL ["/bin/sh", "-xc"]\nRUN echo in a shell\nCMD cat /etc/base\n`,
  );
  assert.match(output, "+ echo");
  assert.is(await look(stack, "shell", "apptainer run --unsquash $I"), "from the registry\n");
});

test("a Dockerfile whose RUN fails gives exit code 1 and names the program", async ({ stack, open }) => {
  const { code, stdout, stderr } = await build(stack, "fails", `FROM ${open}/${IMAGE}\nRUN echo before; exit 7\n`);
  assert.is(code, 1);
  assert.match(stdout, /^before$/m);
  assert.match(stderr, /the build failed: buildah build ended with exit code 7/);
});

test("a build on a terminal sees its width", async ({ stack, open }) => {
  writeFileSync(stack.path("width"), `Bootstrap: docker\nFrom: ${open}/${IMAGE}\n\n%post\n    stty size </dev/tty\n`);
  const { code, stdout } = await stack.runOnTerminal("container-builder", [stack.path("w.sif"), stack.path("width")]);
  assert.is(code, 0, stdout);
  assert.match(stdout, /^30 100\r?$/m);
});

test.run();
