import { suite } from "uvu";
import * as assert from "uvu/assert";
import { authNames } from "../../../agent/registries.ts";
import { openSecrets } from "../../../agent/secrets.ts";
import { type BoxUse, createSealingKey, type SealedBox, seal } from "../../../lib/core/sealed-box.ts";
import type { Lease } from "../../../lib/protocol/builder-messages.ts";
import { forBuilder, siteLoginsForBuilder } from "../../../lib/protocol/secret-messages.ts";

const test = suite("secrets of the agent");

const BUILDER = "0f0e0d0c-0b0a-4908-8706-050403020100";
const key = createSealingKey();
const lease: Lease = {
  build: "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b",
  attempt: 1,
  jwt: "",
  recipe: { backend: "docker", text: "FROM x\n" },
  plainHttpRegistries: [],
  limits: { buildMs: 1, logBytes: 1, imageBytes: 1 },
};
const of = { build: lease.build, attempt: lease.attempt, builder: BUILDER };
const login = (registry: string, username: string) => ({ registry, username, password: "p" });
const box = (content: object, use: BoxUse): SealedBox =>
  seal(Buffer.from(JSON.stringify({ v: 1, secrets: [], logins: [], ...content })), key.publicKey, use);

test("openSecrets() joins the logins of the site and the user, and the user's replaces the site's", () => {
  const siteLogins = box({ logins: [login("a.io", "site"), login("b.io", "site")] }, siteLoginsForBuilder(of));
  const secrets = box({ logins: [login("b.io", "ada")], secrets: [{ id: "t", value: "AA==" }] }, forBuilder(of));
  const opened = openSecrets({ ...lease, secrets, siteLogins }, BUILDER, key);
  assert.equal(
    opened.logins.map(({ registry, username }) => `${registry} ${username}`),
    ["a.io site", "b.io ada"],
  );
  assert.equal(opened.secrets, [{ id: "t", value: "AA==" }]);
  assert.equal(openSecrets(lease, BUILDER, key), { secrets: [], logins: [] });
});

test("openSecrets() refuses the user's box in place of the site's, and a name that is a path", () => {
  const swapped = box({}, forBuilder(of));
  assert.throws(() => openSecrets({ ...lease, siteLogins: swapped }, BUILDER, key), /belong to another build/);
  const path = box({ secrets: [{ id: "../../etc/passwd", value: "AA==" }] }, forBuilder(of));
  assert.throws(() => openSecrets({ ...lease, secrets: path }, BUILDER, key), /not a name of a secret/);
});

test("openSecrets() refuses a box for another build, attempt or builder", () => {
  const other = "7b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b";
  for (const over of [{ build: other }, { attempt: 2 }, { builder: other }]) {
    const secrets = box({ secrets: [{ id: "t", value: "AA==" }] }, forBuilder({ ...of, ...over }));
    assert.throws(() => openSecrets({ ...lease, secrets }, BUILDER, key), /belong to another build/);
  }
});

test("a login is found under both spellings of a private registry, and under docker's name of Docker Hub", () => {
  assert.equal(authNames("docker.io"), ["docker.io", "https://index.docker.io/v1/"]);
  assert.equal(authNames("a.io"), ["a.io"]);
  assert.equal(authNames("10.0.0.7:5000/team"), ["10.0.0.7:5000/team", "[::ffff:10.0.0.7]:5000/team"]);
  assert.equal(authNames("registry.local"), ["registry.local", "registry.local."]);
});

test.run();
