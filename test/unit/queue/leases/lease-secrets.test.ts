import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createSealingKey, open, seal, sealingKeyId } from "../../../../lib/core/sealed-box.ts";
import type { Recipe } from "../../../../lib/protocol/build-messages.ts";
import { forBuilder, forQueue, siteLoginsForBuilder } from "../../../../lib/protocol/secret-messages.ts";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { LeaseSecrets } from "../../../../lib/queue/leases/lease-secrets.ts";

const test = suite("secrets of a lease");

const login = (registry: string) => ({ registry, username: "site", password: `password of ${registry}` });
const secrets = new LeaseSecrets([], [login("a.io"), login("b.io"), login("docker.io")]);
const agent = createSealingKey();
const record: BuildRecord = {
  v: 1,
  build: "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b",
  user: "ada",
  name: "",
  request: "60c95481-92f3-4491-94d3-14c45bfbc279",
  backend: "docker",
  pool: "p",
  state: "leased",
  createdAtMs: 0,
  attempt: 2,
  builder: "0f0e0d0c-0b0a-4908-8706-050403020100",
};

const PLAIN: Recipe = { backend: "docker", text: "FROM debian\n" };

/** The registries of the site's logins that a build of the recipe gets. */
function given(recipe: Recipe): string[] {
  const { siteLogins } = secrets.forLease(record, { recipe }, agent.publicKey);
  if (siteLogins === undefined) return [];
  const { build, attempt, builder = "" } = record;
  const content = JSON.parse(open(siteLogins, agent, siteLoginsForBuilder({ build, attempt, builder })).toString());
  return content.logins.map(({ registry }: { registry: string }) => registry);
}

test("a build gets the site's logins for the registries that its recipe names, and no others", () => {
  assert.equal(given({ backend: "docker", text: "FROM a.io/x\nCOPY --from=debian /x /x\n" }), ["a.io", "docker.io"]);
  assert.equal(given({ backend: "singularity", text: "Bootstrap: docker\nFrom: b.io/x\n" }), ["b.io"]);
  assert.equal(given({ backend: "docker", text: "FROM a.io.evil.io/x\n" }), []);
  assert.equal(given({ backend: "singularity", text: "Bootstrap: docker\nFrom: {{ none }}\n" }), []);
});

test("an agent without a key gets no login of the site, and its build goes on", () => {
  assert.equal(secrets.forLease(record, { recipe: { backend: "docker", text: "FROM a.io/x\n" } }, undefined), {});
});

test("a renewed key opens boxes as long as the queue has it, and the refusal then names both keys and the remedy", () => {
  const [old, current] = [createSealingKey(), createSealingKey()];
  const sealed = seal(Buffer.from("content"), old.publicKey, forQueue(record.user, record.request));
  const both = new LeaseSecrets([current, old]);
  both.check({ secrets: sealed });
  const { secrets: box } = both.forLease(record, { recipe: PLAIN, secrets: sealed }, agent.publicKey);
  if (box === undefined) throw new Error("the lease has no secrets");
  const { build, attempt, builder = "" } = record;
  assert.is(open(box, agent, forBuilder({ build, attempt, builder })).toString(), "content");
  const alone = new LeaseSecrets([current]);
  const [ids, remedy] = refusal(() => alone.check({ secrets: sealed }));
  assert.is(
    ids,
    `the secrets are sealed to the key ${sealingKeyId(old.publicKey)}; this queue has ${sealingKeyId(current.publicKey)}`,
  );
  assert.match(remedy, 'the setting "sealingKey" is outdated');
  assert.match(remedy, "container-builder config shows the file");
  const [lost] = refusal(() => alone.forLease(record, { recipe: PLAIN, secrets: sealed }, agent.publicKey));
  assert.match(lost, "no longer has the key");
});

function refusal(work: () => unknown): [string, string] {
  try {
    work();
  } catch (error) {
    if (error instanceof CbError) return [error.message, error.hint ?? ""];
    throw error;
  }
  throw new Error("it was not refused");
}

test("a queue without a key refuses secrets, and takes builds without them", () => {
  secrets.check({});
  const box = { keyId: "0".repeat(16), enc: "", text: "" };
  assert.throws(() => secrets.check({ secrets: box }), /takes no secrets/);
});

test.run();
