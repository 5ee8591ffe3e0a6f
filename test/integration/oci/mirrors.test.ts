/** Builds of both kinds that get their base images through mirrors: real cb-registry, real registries, real sandboxes. */
// slow: about eighteen builds on real sandboxes
// timeout: 600 s
import { readdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Mirror } from "../../../lib/protocol/builder-messages.ts";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { type Copy, replying, startCopy } from "../../support/oci/copies.ts";
import { push, type RunningRegistry, startRegistry } from "../../support/oci/docker-registry.ts";
import { digestOf, manifestOf } from "../../support/oci/oci-image.ts";
import { LOGIN } from "../../support/oci/registries.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

/** A registry that no builder reaches: its images come through its copy, or the build fails. */
const HIDDEN = "hidden.example.org";

interface World {
  world: RecipeStack;
  hidden: RunningRegistry;
  /** Copies of the hidden registry, of the open one, and of the one that requires a login. */
  copies: { hidden: Copy; open: Copy; basic: Copy };
  digest: string;
}

const test = suite<World>("mirrors");

const inside = (host: string): string => host.replace("127.0.0.1", HOST_LOOPBACK);
const outside = (host: string): string => host.replace(HOST_LOOPBACK, "127.0.0.1");

test.before(async (context) => {
  context.world = await RecipeStack.start({
    mirrorsOf: async (stack, hosts) => {
      const layers = [await busyboxLayer()];
      context.digest = digestOf(manifestOf(layers));
      context.hidden = await startRegistry({ folder: stack.path() });
      await push(context.hidden.host, { repository: "site/busybox", tags: ["1"], layers });
      context.copies = {
        hidden: await startCopy(stack, "hidden", context.hidden.host),
        // It has not all images of the registry that it stands for.
        open: await startCopy(stack, "open", context.hidden.host),
        basic: await startCopy(stack, "basic", outside(hosts.basic)),
      };
      await Promise.all(Object.values(context.copies).map(replying));
      const mirror = (registry: string, copy: Copy): Mirror => ({ registry, host: inside(copy.host), plainHttp: true });
      return [
        mirror(HIDDEN, context.copies.hidden),
        mirror(hosts.open, context.copies.open),
        mirror(hosts.basic, context.copies.basic),
      ];
    },
  });
});
test.after(async ({ world, hidden, copies }) => {
  await Promise.all(Object.values(copies ?? {}).map((copy) => copy.stop()));
  await hidden?.stop();
  await world?.stop();
});

/** A definition file and a Dockerfile upon the image. */
const recipesOn = (image: string) =>
  [
    ["definition", `Bootstrap: docker\nFrom: ${image}\n`],
    ["dockerfile", `FROM ${image}\nRUN true\n`],
  ] as const;

/** The stored blobs of a copy. */
const blobsOf = ({ folder }: Copy): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("/data"));

test("both kinds of recipe pull through a mirror, by tag and by digest", async ({ world, copies, digest }) => {
  for (const image of [`${HIDDEN}/${IMAGE}`, `${HIDDEN}/site/busybox@${digest}`]) {
    for (const [name, text] of recipesOn(image)) {
      const output = await world.built(name, text, ["-F"]);
      assert.not.match(output, "starts again");
    }
  }
  assert.is(await world.inspect("definition", "apptainer exec $I cat /etc/base"), "from the registry\n");
  assert.ok(blobsOf(copies.hidden).length > 0);
});

test("a definition file starts again without a mirror that does not have the image; no mirror that is down is asked", async ({
  world,
  copies,
}) => {
  await push(world.hostOf("open"), { repository: "site/new", tags: ["1"], layers: [await busyboxLayer()] });
  const [[definition, text], [dockerfile, dockerText]] = recipesOn(`${world.hosts.open}/site/new:1`);
  const notice = "the build starts again without it";
  assert.match(await world.built(definition, text, ["-F"]), notice);
  // buildah itself goes on to the registry.
  assert.not.match(await world.built(dockerfile, dockerText, ["-F"]), notice);
  await copies.open.stop();
  assert.not.match(await world.built(definition, text, ["-F"]), notice);
});

test("builds go on with the stored copy while the registry is away", async ({ world, hidden }) => {
  await hidden.stop();
  for (const [name, text] of recipesOn(`${HIDDEN}/${IMAGE}`)) await world.built(name, text, ["-F"]);
});

test("a build with a login asks the registry itself, and no copy gives its private image to another build", async ({
  world,
  copies,
}) => {
  const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
  const authFile = world.stack.path("auth.json");
  writeFileSync(authFile, JSON.stringify({ auths: { [world.hosts.basic]: { auth } } }));
  for (const [name, text] of recipesOn(`${world.hosts.basic}/${IMAGE}`)) {
    await world.built(name, text, ["-F", "--authfile", authFile]);
    assert.equal(blobsOf(copies.basic), []);
  }
  const [[name, text]] = recipesOn(`${world.hosts.basic}/${IMAGE}`);
  const refused = await world.build(name, text, ["-F"]);
  assert.is(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, "without a login");
  const asked = await fetch(`http://${copies.basic.host}/v2/site/busybox/manifests/1`);
  assert.not.ok(asked.ok);
  assert.equal(blobsOf(copies.basic), []);
});

test.run();
