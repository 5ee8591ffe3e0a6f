/** Creates on a recorded cloud: what is sent, and what each answer, or none, leads to. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { RefusedError } from "../../../../lib/provider/provider.ts";
import { failureOf, never, providerOn, spec } from "../../../support/openstack/openstack-provider.ts";
import { type Answer, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const CREATE = "POST /nova/v2.1/servers";
const LIST = "GET /nova/v2.1/servers/detail";

const test = suite<{ cloud: RecordedCloud }>("create on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const creates = ({ asked }: RecordedCloud) => asked.filter(({ method, path }) => `${method} ${path}` === CREATE);

test("create() sends the shape by its ids, the identity as metadata and as tags, and user data on a config drive", async ({
  cloud,
}) => {
  const provider = providerOn(cloud, {
    keyName: "ops",
    securityGroups: ["default"],
    availabilityZone: "nova",
    serverGroup: "spread",
  });
  await provider.create(spec(1, '{"creds":"x"}'), never());
  const [sent] = creates(cloud);
  const marks = {
    "cb-installation": "site",
    "cb-generation": "1",
    "cb-pool": "default",
    "cb-builder": "00000001-1111-4111-8111-111111111111",
    "cb-attempt": "00000001-2222-4222-8222-222222222222",
  };
  assert.equal(sent?.body, {
    server: {
      flavorRef: "1",
      imageRef: recorded("images-stub").body.images[0].id,
      networks: [{ uuid: recorded("networks").body.networks[0].id }],
      key_name: "ops",
      security_groups: [{ name: recorded("security-groups").body.security_groups[0].id }],
      availability_zone: "nova",
      name: "cb-default-00000001",
      metadata: marks,
      tags: Object.entries(marks).map(([key, value]) => `${key}=${value}`),
      config_drive: true,
      user_data: Buffer.from('{"creds":"x"}').toString("base64"),
    },
    "os:scheduler_hints": { group: recorded("server-groups").body.server_groups[0].id },
  });
  assert.is(sent?.headers["openstack-api-version"], "compute 2.79");
});

test("create() takes names and ids once for all machines, and again after nova has refused one", async ({ cloud }) => {
  const provider = providerOn(cloud);
  const flavorCalls = () => cloud.calls()["GET /nova/v2.1/flavors"];
  await provider.create(spec(1), never());
  await provider.create(spec(2), never());
  assert.is(flavorCalls(), 1);
  cloud.answer(CREATE, "create-bad-flavor");
  await failureOf(provider.create(spec(3), never()), RefusedError);
  await failureOf(provider.create(spec(4), never()), RefusedError);
  assert.is(flavorCalls(), 2);
});

test("create() of one attempt, repeated or at the same time, is one request; another attempt is refused", async ({
  cloud,
}) => {
  const provider = providerOn(cloud);
  await Promise.all([provider.create(spec(1), never()), provider.create(spec(1), never())]);
  await provider.create(spec(1), never());
  const other = { ...spec(1), attempt: spec(2).attempt };
  assert.match((await failureOf(provider.create(other, never()), CbError)).message, "exists already");
  assert.is(creates(cloud).length, 1);
});

test("create() takes 49149 bytes of user data, and refuses more before it asks anybody", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await provider.create(spec(1, "x".repeat(49_149)), never());
  const [sent] = creates(cloud);
  assert.ok(JSON.stringify(sent?.body).includes(`"user_data":"${"eHh4".repeat(16_383)}"`), "65532 of 65535 characters");
  const error = await failureOf(provider.create(spec(2, "x".repeat(49_150)), never()), RefusedError);
  assert.match(error.message, "the user data has 49150 bytes; at most 49149 are allowed");
  assert.is(creates(cloud).length, 1);
});

interface Refusal {
  readonly answer: Answer | string;
  readonly kind: string;
  readonly words: RegExp;
  readonly limit?: "quota" | "rate";
  readonly retryAfterMs?: number;
}

const rateLimited = (status: number, headers: Record<string, string>): Answer => ({
  status,
  headers,
  body: { overLimit: { code: status, message: "This request was rate-limited.", details: "Only 10 POST per minute" } },
});
const REFUSALS: Readonly<Record<string, Refusal>> = {
  "403, instances": {
    answer: "create-quota-instances",
    kind: "infrastructure",
    words: /^quota, 1 of 1 instances$/,
    limit: "quota",
  },
  "403, cores and memory": {
    answer: "create-quota-cores-ram",
    kind: "infrastructure",
    words: /^quota, 1 of 1 cores, 128 of 128 ram$/,
    limit: "quota",
  },
  "403, ports": {
    answer: "create-quota-ports",
    kind: "infrastructure",
    words: /^quota: Maximum number of ports exceeded$/,
    limit: "quota",
  },
  "403, group": {
    answer: { status: 403, body: { forbidden: { code: 403, message: "Quota exceeded, too many servers in group" } } },
    kind: "infrastructure",
    words: /^quota: Quota exceeded, too many servers in group$/,
    limit: "quota",
  },
  "413, quota": {
    answer: {
      status: 413,
      body: {
        overLimit: {
          code: 413,
          message: "Quota exceeded for instances: Requested 1, but already used 9 of 9 instances",
        },
      },
    },
    kind: "infrastructure",
    words: /^quota, 9 of 9 instances$/,
    limit: "quota",
  },
  "403, policy": {
    answer: "create-no-permission",
    kind: "denied",
    words: /does not allow this machine: Policy doesn't allow os_compute_api/,
  },
  "409": {
    answer: {
      status: 409,
      body: {
        conflictingRequest: {
          code: 409,
          message: "Multiple possible networks found, use a Network ID to be more specific.",
        },
      },
    },
    kind: "infrastructure",
    words: /409, Multiple possible networks found/,
  },
  "429": { answer: rateLimited(429, {}), kind: "infrastructure", words: /^rate limit of the cloud$/, limit: "rate" },
  "429 with Retry-After": {
    answer: rateLimited(429, { "retry-after": "7" }),
    kind: "infrastructure",
    words: /^rate limit of the cloud, which asks to wait 7 s$/,
    limit: "rate",
    retryAfterMs: 7000,
  },
  "413 with Retry-After": {
    answer: rateLimited(413, { "retry-after": "12" }),
    kind: "infrastructure",
    words: /12 s$/,
    limit: "rate",
    retryAfterMs: 12_000,
  },
  "429 with a Retry-After of an hour": {
    answer: rateLimited(429, { "retry-after": "3600" }),
    kind: "infrastructure",
    words: /300 s$/,
    limit: "rate",
    retryAfterMs: 300_000,
  },
  "429 with a Retry-After in the past": {
    answer: rateLimited(429, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }),
    kind: "infrastructure",
    words: /rate limit/,
    limit: "rate",
    retryAfterMs: 0,
  },
  "400, image": {
    answer: "create-bad-image",
    kind: "config",
    words: /does not take this machine: Can not find requested image/,
  },
  "400, flavor": { answer: "create-bad-flavor", kind: "config", words: /Flavor nope could not be found/ },
  "400, network": { answer: "create-bad-network", kind: "config", words: /Network 00000000-.* could not be found/ },
  "400, zone": { answer: "create-bad-zone", kind: "config", words: /The requested availability zone is not available/ },
  "400, key": { answer: "create-bad-key", kind: "config", words: /Invalid key_name provided/ },
  "406, microversion": {
    answer: "nova-microversion-too-high",
    kind: "infrastructure",
    words: /406, Version 2\.999 is not supported/,
  },
};

for (const [what, { answer, kind, words, limit, retryAfterMs }] of Object.entries(REFUSALS)) {
  test(`create() is refused with ${what}: nothing was made, and nothing is looked for`, async ({ cloud }) => {
    cloud.answer(CREATE, answer);
    const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
    assert.equal([error.kind, error.limit, error.retryAfterMs], [kind, limit, retryAfterMs]);
    assert.match(error.message, words);
    assert.is(cloud.calls()[LIST], undefined);
  });
}

test("create() that is refused may be asked for again", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.answer(CREATE, "create-quota-instances", "server-created");
  await failureOf(provider.create(spec(1), never()), RefusedError);
  await provider.create(spec(1), never());
  assert.is(creates(cloud).length, 2);
});

test("create() reads the limits where a quota has no numbers in its words", async ({ cloud }) => {
  const details = `GET /neutron/v2.0/quotas/${recorded("token").body.token.project.id}/details.json`;
  cloud.answer(CREATE, "create-quota-ports");
  cloud.answer(details, "network-quota");
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.equal([error.message, error.limit], ["quota, 1 of 1 ports", "quota"]);
});

test("no error of a create has the user data in it, though nova quotes it", async ({ cloud }) => {
  cloud.answer(CREATE, "create-user-data-too-long");
  const secret = Buffer.from("QUFB", "base64").toString().repeat(1000);
  const error = await failureOf(providerOn(cloud).create(spec(1, secret), never()), RefusedError);
  assert.is(error.message, "the cloud does not take this machine: Invalid input for field/attribute user_data.");
  assert.is(String(error.cause).includes("QUFB"), false);
});

test("no error of a create has a word in it that is as long as a token", async ({ cloud }) => {
  const message = `Something about ${"gAAAAABp".repeat(20)} went wrong`;
  cloud.answer(CREATE, { status: 400, body: { badRequest: { message } } });
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.is(error.message, "the cloud does not take this machine: Something about … went wrong");
});
test.run();
