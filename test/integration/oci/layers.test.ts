/** Dockerfiles that use the layers of earlier builds: real cb-registry, real buildah in real sandboxes. */
// slow: about twelve builds on real sandboxes, one of them with a frozen registry
// timeout: 600 s
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { type Layers, startLayers } from "../../support/oci/layers.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

interface World {
  world: RecipeStack;
  layers: Layers;
}

const test = suite<World>("layers");

test.before(async (context) => {
  context.world = await RecipeStack.start({
    layersOf: async (stack) => {
      const key = await readKeyFile(stack.statePath("installation", "keys", "guest-signing.seed"));
      context.layers = await startLayers(stack, { key });
      return context.layers.host.replace("127.0.0.1", HOST_LOOPBACK);
    },
  });
});
test.after(async ({ world, layers }) => {
  layers?.service.kill("SIGCONT");
  await layers?.stop();
  await world?.stop();
});

/** A line that the step prints when it runs; in the text of the step it is spelled otherwise. */
const prints = (name: string): string => `echo ${name}-$((6 * 7))`;
const runsOf = (output: string, name: string): number => output.split(`${name}-42\n`).length - 1;

const AWAY = "the cache of layers does not reply; the build goes on without it";
const FAILED = "the cache of layers failed; the build goes on without it";

/** A Dockerfile with an early step, and a file that is copied late, in a folder of its own. Returns the folder for build(). */
function project({ stack, hosts }: RecipeStack, name: string, { late = "", steps = [] as string[] }): string {
  const folder = stack.path(name);
  mkdirSync(folder, { recursive: true });
  const from = `FROM ${hosts.open}/${IMAGE}`;
  const lines = [from, "ENV A=1", `RUN ${prints("early")}; echo early >/early`, ...steps, "COPY late /late"];
  writeFileSync(
    join(folder, "Dockerfile"),
    [...lines, `RUN ${prints("last")}; cat /early /late >/both`, ""].join("\n"),
  );
  writeFileSync(join(folder, "late"), late);
  return folder;
}

async function built({ stack }: RecipeStack, name: string, flags: readonly string[] = []): Promise<string> {
  const args = ["-F", ...flags, stack.path(`${name}.sif`), stack.path(name)];
  const { code, stdout, stderr } = await stack.run("container-builder", args);
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  return stdout;
}

const bothIn = (world: RecipeStack, name: string): Promise<string> =>
  world.inspect(name, "apptainer exec $I cat /both");

const blobsOf = ({ folder }: Layers): number =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("/data")).length;

test("a build with a late change runs the late steps alone, and --no-cache runs all", async ({ world }) => {
  project(world, "change", { late: "one\n" });
  const first = await built(world, "change");
  assert.equal([runsOf(first, "early"), runsOf(first, "last")], [1, 1], first);
  project(world, "change", { late: "two\n" });
  const second = await built(world, "change");
  assert.equal([runsOf(second, "early"), runsOf(second, "last")], [0, 1], second);
  assert.is(await bothIn(world, "change"), "early\ntwo\n");
  const anew = await built(world, "change", ["--no-cache"]);
  assert.equal([runsOf(anew, "early"), runsOf(anew, "last")], [1, 1], anew);
  // An option of the whole image needs no step.
  const labelled = await built(world, "change", ["--label", "of=this"]);
  assert.equal([runsOf(labelled, "early"), runsOf(labelled, "last")], [0, 0], labelled);
  assert.match(await world.inspect("change", "apptainer inspect --labels $I"), "of: this");
  assert.is(await bothIn(world, "change"), "early\ntwo\n");
});

test("a build with a secret uses no layers and leaves none", async ({ world, layers }) => {
  const before = blobsOf(layers);
  project(world, "change", { late: "secret\n" });
  writeFileSync(world.stack.path("secret.txt"), "s3cret");
  const output = await built(world, "change", ["--secret", `id=token,src=${world.stack.path("secret.txt")}`]);
  assert.is(runsOf(output, "early"), 1);
  assert.is(blobsOf(layers), before);
});

test("a step that mounts a file of the context runs with its new content", async ({ world }) => {
  const steps = ["RUN --mount=type=bind,source=late,target=/mounted cat /mounted >/seen"];
  for (const late of ["one\n", "two\n"]) {
    project(world, "mount", { late, steps });
    await built(world, "mount");
    assert.is(await world.inspect("mount", "apptainer exec $I cat /seen"), late);
  }
});

test("no argument, variable or output of a build has its token", async ({ world }) => {
  const shown = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'";
  project(world, "token", { steps: [`RUN ${shown}`] });
  const output = await built(world, "token");
  assert.match(output, "--cache-to=");
  // The begin of a token, and of the login with it.
  for (const secret of ['{"v":1,"user"', "build:eyJ"]) {
    const text = Buffer.from(secret).toString("base64").replace(/=+$/, "").slice(0, -1);
    assert.not.match(output, text);
  }
});

/** Prints "waiting", and ends when the registry of layers gives no reply any more. */
const untilAway = ({ host }: Layers): string => {
  const url = `http://${host.replace("127.0.0.1", HOST_LOOPBACK)}/v2/`;
  return `RUN ${prints("waiting")}; while /bin/busybox wget -T 2 -O - ${url} 2>&1 | /bin/busybox grep -q 401; do true; done`;
};

async function buildWhile({ stack }: RecipeStack, name: string, act: () => unknown): Promise<string> {
  const build = stack.start("container-builder", ["-F", stack.path(`${name}.sif`), stack.path(name)]);
  await build.seen(/waiting-42/);
  await act();
  const { code, stdout, stderr } = await build.finished;
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  return stdout;
}

test("a build goes on while the registry of layers is frozen", async ({ world, layers }) => {
  project(world, "frozen", { late: "frozen\n", steps: [untilAway(layers)] });
  const output = await buildWhile(world, "frozen", () => layers.service.kill("SIGSTOP"));
  layers.service.kill("SIGCONT");
  assert.match(output, FAILED);
  // The step that runs at that moment has left no layer and may run again.
  assert.is(runsOf(output, "last"), 1, output);
  assert.is(await bothIn(world, "frozen"), "early\nfrozen\n");
});

test("a build goes on when the registry of layers ends, and makes no layer twice; a later one does not ask it", async ({
  world,
  layers,
}) => {
  project(world, "ended", { late: "ended\n", steps: [`${untilAway(layers)}; ${prints("more")}`] });
  const output = await buildWhile(world, "ended", () => layers.stop());
  assert.match(output, FAILED);
  assert.equal([runsOf(output, "waiting"), runsOf(output, "last")], [1, 1], output);
  assert.is(await bothIn(world, "ended"), "early\nended\n");
  project(world, "change", { late: "away\n" });
  const later = await built(world, "change");
  assert.match(later, AWAY);
  assert.not.match(later, FAILED);
  assert.is(runsOf(later, "early"), 1);
});

test.run();
