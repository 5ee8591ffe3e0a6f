/**
 * Planted secrets are searched for while a build holds them, and after it: in the arguments and environments of all processes, the
 * disk of the builder, the store and the log of the installation, the memory of the queue, and the image.
 */
// slow: two builds in sandboxes with three registries
// timeout: 300 s
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse, stringify } from "yaml";
import { createSealingKey } from "../../../lib/core/sealed-box.ts";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../../lib/provider/sandbox/processes.ts";
import { push } from "../../support/oci/docker-registry.ts";
import { filesWith, has } from "../../support/planted-secret.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

interface World {
  world: RecipeStack;
  /** Text, so that it is found in any form of a string. */
  secret: string;
}

const test = suite<World>("secrets");

test.before(async (context) => {
  context.world = await RecipeStack.start();
});
test.before.each((context) => {
  context.secret = `planted-${randomBytes(24).toString("hex")}`;
  writeFileSync(context.world.stack.path("token"), context.secret);
});
test.after(({ world }) => world?.stop());

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The lines of a shell script of a recipe that hold the build until the test has pushed the image `site/NAME:1`. */
const holdUntil = (open: string, name: string): string =>
  `echo HELD; until wget -q -O /dev/null http://${open}/v2/site/${name}/tags/list; do sleep 0.2; done`;

const release = (world: RecipeStack, name: string): Promise<void> =>
  push(world.hostOf("open"), { repository: `site/${name}`, tags: ["1"] });

/** The processes that have the secret in their arguments or environment. */
function processesWith(secret: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) =>
    ["cmdline", "environ"].flatMap((part) => {
      try {
        return has(readFileSync(`/proc/${pid}/${part}`), secret) ? [`${pid}/${part}`] : [];
      } catch {
        return []; // It has ended.
      }
    }),
  );
}

/** True when the memory of the process has the secret, as a core dump of it would. */
function memoryHas(pid: number, secret: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8")
      .split("\n")
      .some((line) => {
        const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
        const bytes = Number.parseInt(to, 16) - Number.parseInt(from, 16);
        return bytes > 0 && bytes < 2 ** 30 && has(readAt(memory, Number.parseInt(from, 16), bytes), secret);
      });
  } finally {
    closeSync(memory);
  }
}

function readAt(file: number, position: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  try {
    return buffer.subarray(0, readSync(file, buffer, 0, bytes, position));
  } catch {
    return buffer.subarray(0, 0); // A guard page, or memory that was freed meanwhile.
  }
}

/** The root of the sandbox that builds, as its agent sees it. */
async function builderRoot(world: RecipeStack): Promise<string> {
  const folder = world.stack.statePath("sandboxes");
  const supervisors = await Promise.all(readdirSync(folder).map((name) => readSupervisor(join(folder, name))));
  const pids = await Promise.all(supervisors.map((one) => (one === undefined ? [] : processesOf(one))));
  const roots = pids.flat().map((pid) => `/proc/${pid}/root`);
  // The first processes of a sandbox are in the file system of this host, which has no description of a builder's image.
  const root = roots.find(
    (one) =>
      existsSync(`${one}/usr/share/container-builder/image`) && existsSync(`${one}/run/container-builder-secrets`),
  );
  if (root === undefined) throw new Error("no sandbox has a build");
  return root;
}

/** Everywhere that a secret must not be while a build holds it. */
async function searchedWhileHeld(world: RecipeStack, secret: string): Promise<void> {
  const token = world.stack.path("token");
  assert.equal(processesWith(secret), []);
  assert.equal(filesWith(world.stack.statePath(), secret, token), []);
  const root = await builderRoot(world);
  for (const folder of ["", "tmp/", "var/"]) assert.equal(filesWith(`${root}/${folder}`, secret, token), [], folder);
  assert.not.ok(memoryHas(world.queuePid, secret), "the memory of cb-queue");
  // The search finds a text where there is one: the recipe on the builder's disk, and the secret in the memory of this process.
  assert.ok(filesWith(`${root}/tmp/`, "echo HELD; until wget -q -O", token).length > 0);
  assert.ok(memoryHas(process.pid, secret));
}

test("a secret of a definition file is in %post alone, and nowhere else", async ({ world, secret }) => {
  const recipe = `Bootstrap: docker
From: ${world.hosts.open}/${IMAGE}

%post
  sha256sum /run/secrets/token
  stat -c "mode %a" /run/secrets/token
  env | grep -c planted || true
  sh -c 'kept=$(cat /run/secrets/token); ulimit -c unlimited; kill -SEGV $$' || echo "ended with $?"
  cat /proc/[0-9]*/limits | grep "core file" | tr -s ' ' | sort -u
  ${holdUntil(world.hosts.open, "definition")}
`;
  const running = world.start("definition", recipe, ["--secret", `id=token,src=${world.stack.path("token")}`]);
  await running.seen(/HELD/);
  await searchedWhileHeld(world, secret);
  await release(world, "definition");
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  assert.match(stdout, sha256(secret));
  assert.match(stdout, "mode 400");
  // The process that held the secret was ended as by a fault, and wrote no file that the search above found. With any limit but 1
  // the kernel would start a crash handler of the host.
  assert.match(stdout, "ended with 139");
  assert.equal(stdout.match(/Max core file size .*/g), ["Max core file size 1 1 bytes "]);
  const inside = await world.inspect("definition", "apptainer exec $I ls -lR /run/secrets; apptainer inspect -d $I");
  assert.not.match(inside, /\btoken\b.*\d/);
  assert.not.ok(has(readFileSync(world.stack.path("definition.sif")), secret));
  assert.equal(filesWith(world.stack.statePath(), secret, world.stack.path("token")), []);
});

test("a secret of a Dockerfile is in the RUN that mounts it, and nowhere else", async ({ world, secret }) => {
  const recipe = `FROM ${world.hosts.open}/${IMAGE}
RUN --mount=type=secret,id=token sha256sum /run/secrets/token; ${holdUntil(world.hosts.open, "dockerfile")}
RUN ls /run/secrets/token || echo NOT-THERE
`;
  const running = world.start("dockerfile", recipe, ["--secret", `id=token,src=${world.stack.path("token")}`]);
  await running.seen(/HELD/);
  await searchedWhileHeld(world, secret);
  await release(world, "dockerfile");
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stdout.slice(-3000) + stderr);
  assert.match(stdout, sha256(secret));
  assert.match(stdout, "NOT-THERE");
  assert.not.ok(has(readFileSync(world.stack.path("dockerfile.sif")), secret));
});

test("a client without a key in its settings takes the queue's; another key in the settings is refused", async ({
  world,
}) => {
  const { stack } = world;
  writeFileSync(stack.path("empty.def"), "Bootstrap: scratch\n");
  const call = ["--detach", "--secret", `id=token,src=${stack.path("token")}`, "empty.sif", "empty.def"];
  const settings = parse(readFileSync(stack.statePath("client", "config.yaml"), "utf8"));
  const { url, creds, ca, servername } = settings;
  const env = { NATS_URL: url, NATS_CREDS: creds, NATS_CA: ca, NATS_SERVERNAME: servername };
  const without = await stack.run("container-builder", call, { env });
  assert.is(without.code, 0, without.stderr);
  await stack.run("cb-cancel", [without.stdout.trim()]);
  mkdirSync(stack.path("other", "container-builder"), { recursive: true });
  const other = { ...settings, sealingKey: createSealingKey().publicKey };
  writeFileSync(stack.path("other", "container-builder", "config.yaml"), stringify(other));
  const refused = await stack.run("container-builder", call, { env: { XDG_CONFIG_HOME: stack.path("other") } });
  assert.is(refused.code, 78, refused.stderr);
  assert.match(refused.stderr, /the secrets are sealed to the key \w{16}; this queue has \w{16}/);
});

test.run();
