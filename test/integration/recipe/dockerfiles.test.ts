/** Builds typical Dockerfiles with the shipped programs, on images of a real registry. */
// slow: builds with buildah and then apptainer, many seconds each.
import { mkdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

const test = suite<{ recipes: RecipeStack }>("dockerfiles");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

test("a Dockerfile with arguments, stages, a user and an entrypoint becomes an image that runs", async ({
  recipes,
}) => {
  const output = await recipes.built(
    "dockerfile",
    `# A comment first.
ARG TAG=1
FROM ${recipes.hosts.open}/site/busybox:\${TAG} AS build
ARG WORD=argument
RUN <<EOF
echo "the $WORD"
mkdir /made
echo made in the first stage > /made/file
EOF

FROM scratch AS tools
COPY --from=build /made /opt/made

FROM ${recipes.hosts.open}/${IMAGE}
COPY --from=build /bin/busybox /opt/
COPY --from=tools --chmod=444 /opt/made/file /opt/file
ENV COLOUR=green FROM="the Dockerfile"
LABEL author="tester"
WORKDIR /work/here
RUN pwd && id -u && touch root
USER guest
RUN id -u
HEALTHCHECK CMD true
EXPOSE 80
ENTRYPOINT ["/bin/sh", "-c", "cat /opt/file; echo \\"$0 $COLOUR $FROM\\""]
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
  const printed = await recipes.inspect(
    "dockerfile",
    `apptainer run --unsquash $I; apptainer run --unsquash $I other; apptainer inspect $I`,
  );
  for (const line of [
    "made in the first stage\ncommand green the Dockerfile\n",
    "other green the Dockerfile\n",
    "author: tester",
  ])
    assert.match(printed, line);
});

test("RUN writes into a writable bind of the context and of a stage, on an overlay of its own", async ({ recipes }) => {
  const { stack } = recipes;
  mkdirSync(stack.path("bind"), { recursive: true });
  writeFileSync(stack.path("bind", "file"), "of the context\n");
  writeFileSync(
    stack.path("bind", "Dockerfile"),
    `FROM ${recipes.hosts.open}/${IMAGE} AS base
RUN echo staged >/staged
FROM base
RUN --mount=type=bind,target=/mnt,rw echo more >>/mnt/file && cp /mnt/file /kept
RUN --mount=type=bind,from=base,target=/mnt,rw echo more >>/mnt/staged && cat /mnt/staged >>/kept
RUN grep -o 'overlay / overlay' /proc/mounts | head -n 1 >>/kept || stat -f -c %T / >>/kept
`,
  );
  const { code, stdout, stderr } = await stack.run("container-builder", [stack.path("bind.sif"), stack.path("bind")], {
    cwd: stack.path("bind"),
  });
  assert.is(code, 0, stdout + stderr);
  const kept = await recipes.inspect("bind", "apptainer exec --unsquash $I cat /kept");
  assert.match(kept, /^of the context\nmore\nstaged\nmore\noverlay/m);
});

test("a failing RUN ends the build with exit code 1 and names its line", async ({ recipes }) => {
  const { code, stdout, stderr } = await recipes.build(
    "fails",
    `FROM ${recipes.hosts.open}/${IMAGE}\nRUN echo before; exit 7\n`,
  );
  assert.is(code, 1);
  assert.match(stdout, /^before$/m);
  assert.match(stderr, /the build failed: line 2 \(RUN echo before; exit 7\) ended with exit status 7\n {4}before\n/);
});

test("Ctrl-C ends the build of a Dockerfile", async ({ recipes }) => {
  const running = recipes.start("endless", `FROM ${recipes.hosts.open}/${IMAGE}\nRUN echo it has begun; sleep 3600\n`);
  await running.seen(/^it has begun/m);
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
});

test.run();
