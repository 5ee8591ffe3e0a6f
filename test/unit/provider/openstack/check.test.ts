/** check(): compares the configuration with the cloud before any machine is created. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createLogger } from "../../../../lib/core/log.ts";
import { similarNames } from "../../../../lib/provider/openstack/similar-names.ts";
import { checkAtStart, checkProviders } from "../../../../lib/queue/check-providers.ts";
import { failureOf, never, providerOn, spec } from "../../../support/openstack/openstack-provider.ts";
import { RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const test = suite<{ cloud: RecordedCloud }>("check of OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const IMAGES = "GET /glance/v2/images";
const LOGIN = "POST /keystone/v3/auth/tokens";

test("check() lists every setting that names no resource, with existing names, the most similar first", async ({
  cloud,
}) => {
  cloud.replyTo(IMAGES, "glance/images-none", "glance/images-all");
  const provider = providerOn(cloud, {
    flavor: "t.nan",
    image: "stubb",
    networks: ["lab", "lan"],
    keyName: "op",
    securityGroups: ["web"],
    availabilityZone: "novo:host",
    serverGroup: "sread",
  });
  const error = await failureOf(provider.check(never()), CbError);
  assert.is(error.kind, "config");
  assert.equal(error.message.split("\n"), [
    "the configuration does not match the cloud",
    "  flavor: t.nan does not exist; existing: t.nano, t.huge, t.small, t.medium",
    "  image: stubb does not exist; existing: stub",
    "  networks: lan does not exist; existing: lab",
    "  securityGroups: web does not exist; existing: default",
    "  keyName: op does not exist; existing: ops",
    "  availabilityZone: novo does not exist; existing: nova",
    "  serverGroup: sread does not exist; existing: spread",
  ]);
});

test("check() accepts ids, and refuses a name that two resources have", async ({ cloud }) => {
  const image = recorded("glance/images-stub").body.images[0].id;
  const network = recorded("neutron/networks").body.networks[0].id;
  await providerOn(cloud, { flavor: "1", image, networks: [network], keyName: "ops" }).check(never());
  const request = cloud.requests.find(({ path }) => path.endsWith("/images"));
  assert.equal(Object.fromEntries(request?.query ?? []), { id: image, status: "active", sort: "created_at:desc" });
  const networks = ["a", "b"].map((id) => ({ id, name: "lab" }));
  cloud.replyTo("GET /neutron/v2.0/networks", { status: 200, body: { networks } });
  const error = await failureOf(providerOn(cloud).check(never()), CbError);
  assert.match(error.message, "networks: lab is not unique; use an id: a, b");
});

test("create() uses the newest of several images with one name", async ({ cloud }) => {
  const [image] = recorded("glance/images-stub").body.images;
  const images = ["newest", "older"].map((id) => ({ ...image, id }));
  cloud.replyTo(IMAGES, { status: 200, body: { images } });
  await providerOn(cloud).create(spec(1), never());
  assert.match(JSON.stringify(cloud.requests.at(-1)?.body), '"imageRef":"newest"');
});

test("check() resolves with the used limits; -1 is no limit", async ({ cloud }) => {
  const details = `GET /neutron/v2.0/quotas/${recorded("keystone/token").body.token.project.id}/details.json`;
  cloud.replyTo("GET /nova/v2.1/limits", "nova/resources/limits-used");
  cloud.replyTo(details, "neutron/quota");
  const limits = "1 of 1 instances, 1 cores (no limit), 128 MiB of memory (no limit), 1 of 1 ports";
  assert.is(await providerOn(cloud).check(never()), limits);
  cloud.replyTo(details, { status: 404 });
  assert.is(await providerOn(cloud).check(never()), limits.replace(", 1 of 1 ports", ""));
});

test("checkProviders() resolves with a line for each pool with limits, and names the pool in errors", async ({
  cloud,
}) => {
  const [good, bad] = [providerOn(cloud), providerOn(cloud, { flavor: "none" })];
  const [line = ""] = await checkProviders(new Map([["big", good]]), never());
  assert.match(line, /^pool big: \d+ (?:of \d+ )?instances/);
  const both = new Map([
    ["big", good],
    ["small", bad],
  ]);
  const error = await failureOf(checkProviders(both, never()), CbError);
  assert.match(error.message, /^pool small: the configuration does not match/);
  const wrong = new Map([
    ["one", bad],
    ["two", bad],
  ]);
  const all = await failureOf(checkProviders(wrong, never()), CbError);
  assert.is(all.kind, "config");
  assert.match(all.message, /^pool one: [\s\S]*^pool two: the configuration does not match/m);
});

test("checkProviders() fails after its limit when a cloud does not reply", async ({ cloud }) => {
  cloud.replyTo(LOGIN, "silent");
  const error = await failureOf(checkProviders(new Map([["p", providerOn(cloud)]]), never(), 200), CbError);
  assert.equal([error.kind, error.message], ["infrastructure", "pool p: the provider did not answer within 0.2 s"]);
});

test("checkAtStart() throws for a wrong configuration, and not for an unavailable cloud", async ({ cloud }) => {
  const log = createLogger({ name: "test", level: "silent" });
  const start = (provider: ReturnType<typeof providerOn>) => checkAtStart(new Map([["p", provider]]), log, never());
  await start(providerOn(cloud));
  await failureOf(start(providerOn(cloud, { flavor: "none" })), CbError);
  cloud.replyTo(LOGIN, "keystone/token-application-credential-revoked");
  await failureOf(start(providerOn(cloud)), CbError);
  cloud.replyTo(LOGIN, { status: 503 });
  await start(providerOn(cloud));
  cloud.replyTo(LOGIN, "disconnect");
  await start(providerOn(cloud));
});

test("similarNames() counts the names that it omits", () => {
  const names = ["m1.large", "m1.small", "c1.huge", "m1.tiny", "x", "y", "z", "z"];
  assert.is(similarNames("M1.Smal", names), "m1.small, m1.tiny, c1.huge, m1.large, x and 2 more");
  assert.is(similarNames("a", []), "none at all");
});

test.run();
