/** Base images of a real docker-registry that requires a login: of the user, a wrong one, none, and that of the site. */
// slow: eight builds in sandboxes with three registries
// timeout: 300 s
import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LOGIN } from "../../support/oci/registries.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

interface World {
  world: RecipeStack;
  /** A definition file and a Dockerfile upon the registry's image. */
  recipes: readonly (readonly [name: string, text: string])[];
}

const test = suite<World>("logins for registries");

test.before(async (context) => {
  context.world = await RecipeStack.start();
  const { basic } = context.world.hosts;
  context.recipes = [
    ["definition", `Bootstrap: docker\nFrom: ${basic}/${IMAGE}\n`],
    ["dockerfile", `FROM ${basic}/${IMAGE}\nRUN true\n`],
  ];
});
test.after(({ world }) => world?.stop());

/** The path of a file with a login for the registry. */
function authFile(world: RecipeStack, password: string): string {
  const auth = Buffer.from(`${LOGIN.username}:${password}`).toString("base64");
  writeFileSync(world.stack.path("auth.json"), JSON.stringify({ auths: { [world.hosts.basic]: { auth } } }));
  return world.stack.path("auth.json");
}

test("both kinds of recipe pull with the user's login", async ({ world, recipes }) => {
  const flags = ["-F", "--authfile", authFile(world, LOGIN.password)];
  for (const [name, text] of recipes) await world.built(name, text, flags);
});

test("without a login, and with a wrong one, the failure names the registry and the remedy", async ({
  world,
  recipes,
}) => {
  const wrong = ["-F", "--authfile", authFile(world, "wrong")];
  for (const [name, text] of recipes) {
    const refused = await world.build(name, text, wrong);
    assert.is(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, `the registry ${world.hosts.basic} refuses the base image to the login of this build`);
    assert.not.match(refused.stdout + refused.stderr, "wrong");
  }
  const [name, text] = recipes[0] ?? ["", ""];
  const none = await world.build(name, text, ["-F"]);
  assert.match(none.stderr, `the registry ${world.hosts.basic} refuses the base image without a login; log in`);
});

test("--dry-run names the registry and the file of a login, and not the password", async ({ world, recipes }) => {
  const [name, text] = recipes[1] ?? ["", ""];
  const path = authFile(world, LOGIN.password);
  const { code, stdout } = await world.build(name, text, ["-F", "--dry-run", "--authfile", path]);
  assert.is(code, 0);
  assert.match(stdout, /^login: /m);
  assert.match(stdout, `${world.hosts.basic}, from ${path}\n`);
  assert.not.match(stdout, LOGIN.password);
});

test("the site's login is given to builds if the site says so, and the user's own replaces it", async ({
  world,
  recipes,
}) => {
  const passwordFile = world.stack.path("password");
  writeFileSync(passwordFile, `${LOGIN.password}\n`);
  const site = { host: world.hosts.basic, plainHttp: true, username: LOGIN.username, passwordFile };
  await world.setRegistries([site]);
  const [name, text] = recipes[0] ?? ["", ""];
  assert.match((await world.build(name, text, ["-F"])).stderr, "without a login");
  await world.setRegistries([{ ...site, loginForBuilds: true }]);
  for (const [each, recipe] of recipes) await world.built(each, recipe, ["-F"]);
  const own = await world.build(name, text, ["-F", "--authfile", authFile(world, "wrong")]);
  assert.match(own.stderr, "to the login of this build");
});

test.run();
