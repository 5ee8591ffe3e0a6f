/** What the configuration names and what the cloud has, said before anything is made. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createLogger } from "../../../../lib/core/log.ts";
import { firstFew } from "../../../../lib/provider/openstack/first-few.ts";
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

test("check() names every setting that names nothing, and what there is, the most similar first", async ({ cloud }) => {
  cloud.answer(IMAGES, "images-none", "images-all");
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
    "the cloud does not have what is configured",
    "  flavor: there is no t.nan, there is t.nano, t.huge, t.small, t.medium",
    "  image: there is no stubb, there is stub",
    "  networks: there is no lan, there is lab",
    "  securityGroups: there is no web, there is default",
    "  keyName: there is no op, there is ops",
    "  availabilityZone: there is no novo, there is nova",
    "  serverGroup: there is no sread, there is spread",
  ]);
});

test("check() takes ids for names, and tells two of one name apart", async ({ cloud }) => {
  const image = recorded("images-stub").body.images[0].id;
  const network = recorded("networks").body.networks[0].id;
  await providerOn(cloud, { flavor: "1", image, networks: [network], keyName: "ops" }).check(never());
  const asked = cloud.asked.find(({ path }) => path.endsWith("/images"));
  assert.equal(Object.fromEntries(asked?.query ?? []), { id: image, status: "active", sort: "created_at:desc" });
  const networks = ["a", "b"].map((id) => ({ id, name: "lab" }));
  cloud.answer("GET /neutron/v2.0/networks", { status: 200, body: { networks } });
  const error = await failureOf(providerOn(cloud).check(never()), CbError);
  assert.match(error.message, "networks: more than one is called lab, write an id: a, b");
});

test("the newest of several images of one name is taken", async ({ cloud }) => {
  const [image] = recorded("images-stub").body.images;
  const images = ["newest", "older"].map((id) => ({ ...image, id }));
  cloud.answer(IMAGES, { status: 200, body: { images } });
  await providerOn(cloud).create(spec(1), never());
  assert.match(JSON.stringify(cloud.asked.at(-1)?.body), '"imageRef":"newest"');
});

test("check() resolves with what is used of the limits, and -1 is none", async ({ cloud }) => {
  const details = `GET /neutron/v2.0/quotas/${recorded("token").body.token.project.id}/details.json`;
  cloud.answer("GET /nova/v2.1/limits", "limits-used");
  cloud.answer(details, "network-quota");
  const all = "1 of 1 instances, 1 cores (no limit), 128 MiB of memory (no limit), 1 of 1 ports";
  assert.is(await providerOn(cloud).check(never()), all);
  cloud.answer(details, { status: 404 });
  assert.is(await providerOn(cloud).check(never()), all.replace(", 1 of 1 ports", ""));
});

test("checkProviders() names the pool, and has a line for each that has limits", async ({ cloud }) => {
  const [good, bad] = [providerOn(cloud), providerOn(cloud, { flavor: "none" })];
  const [line = ""] = await checkProviders(new Map([["big", good]]), never());
  assert.match(line, /^pool big: \d+ (?:of \d+ )?instances/);
  const both = new Map([
    ["big", good],
    ["small", bad],
  ]);
  const error = await failureOf(checkProviders(both, never()), CbError);
  assert.match(error.message, /^pool small: the cloud does not have/);
  const wrong = new Map([
    ["one", bad],
    ["two", bad],
  ]);
  const all = await failureOf(checkProviders(wrong, never()), CbError);
  assert.is(all.kind, "config");
  assert.match(all.message, /^pool one: [\s\S]*^pool two: the cloud does not have/m);
});

test("checkProviders() waits no longer than it may for a cloud that says nothing", async ({ cloud }) => {
  cloud.answer(LOGIN, "silent");
  const error = await failureOf(checkProviders(new Map([["p", providerOn(cloud)]]), never(), 200), CbError);
  assert.equal([error.kind, error.message], ["infrastructure", "pool p: the provider did not answer within 0.2 s"]);
});

test("checkAtStart() is stopped by a wrong configuration, and not by a cloud that is away", async ({ cloud }) => {
  const log = createLogger({ name: "test", level: "silent" });
  const start = (provider: ReturnType<typeof providerOn>) => checkAtStart(new Map([["p", provider]]), log, never());
  await start(providerOn(cloud));
  await failureOf(start(providerOn(cloud, { flavor: "none" })), CbError);
  cloud.answer(LOGIN, "token-application-credential-revoked");
  await failureOf(start(providerOn(cloud)), CbError);
  cloud.answer(LOGIN, { status: 503 });
  await start(providerOn(cloud));
  cloud.answer(LOGIN, "cut");
  await start(providerOn(cloud));
});

test("firstFew() counts what it leaves out", () => {
  const names = ["m1.large", "m1.small", "c1.huge", "m1.tiny", "x", "y", "z", "z"];
  assert.is(firstFew("M1.Smal", names), "m1.small, m1.tiny, c1.huge, m1.large, x and 2 more");
  assert.is(firstFew("a", []), "none at all");
});

test.run();
