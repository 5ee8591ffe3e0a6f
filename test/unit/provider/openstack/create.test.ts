/** Creates on a recorded cloud: the request, and the error for each refusal. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { RefusedError } from "../../../../lib/provider/provider.ts";
import { failureOf, never, providerOn, spec } from "../../../support/openstack/openstack-provider.ts";
import { type CloudReply, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const CREATE = "POST /nova/v2.1/servers";
const LIST = "GET /nova/v2.1/servers/detail";

const test = suite<{ cloud: RecordedCloud }>("create on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const creates = ({ requests }: RecordedCloud) => requests.filter(({ method, path }) => `${method} ${path}` === CREATE);

test("create() sends the template's ids, the identity as metadata and tags, and user data on a config drive", async ({
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
  const identity = {
    "cb-installation": "site",
    "cb-generation": "1",
    "cb-pool": "default",
    "cb-builder": "00000001-1111-4111-8111-111111111111",
    "cb-attempt": "00000001-2222-4222-8222-222222222222",
  };
  assert.equal(sent?.body, {
    server: {
      flavorRef: "1",
      imageRef: recorded("glance/images-stub").body.images[0].id,
      networks: [{ uuid: recorded("neutron/networks").body.networks[0].id }],
      key_name: "ops",
      security_groups: [{ name: recorded("neutron/security-groups").body.security_groups[0].id }],
      availability_zone: "nova",
      name: "cb-default-00000001",
      metadata: identity,
      tags: Object.entries(identity).map(([key, value]) => `${key}=${value}`),
      config_drive: true,
      user_data: Buffer.from('{"creds":"x"}').toString("base64"),
    },
    "os:scheduler_hints": { group: recorded("nova/resources/server-groups").body.server_groups[0].id },
  });
  assert.is(sent?.headers["openstack-api-version"], "compute 2.79");
});

test("create() resolves names once for all machines, and again after nova has refused one", async ({ cloud }) => {
  const provider = providerOn(cloud);
  const flavorCalls = () => cloud.requestCounts()["GET /nova/v2.1/flavors"];
  await provider.create(spec(1), never());
  await provider.create(spec(2), never());
  assert.is(flavorCalls(), 1);
  cloud.replyTo(CREATE, "nova/create-refusals/bad-flavor");
  await failureOf(provider.create(spec(3), never()), RefusedError);
  await failureOf(provider.create(spec(4), never()), RefusedError);
  assert.is(flavorCalls(), 2);
});

test("create() of one attempt, repeated or concurrent, sends one request; another attempt of the builder is refused", async ({
  cloud,
}) => {
  const provider = providerOn(cloud);
  await Promise.all([provider.create(spec(1), never()), provider.create(spec(1), never())]);
  await provider.create(spec(1), never());
  const other = { ...spec(1), attempt: spec(2).attempt };
  assert.match((await failureOf(provider.create(other, never()), CbError)).message, "exists already");
  assert.is(creates(cloud).length, 1);
});

test("create() accepts 49149 bytes of user data, and refuses 49150 before it sends a request", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await provider.create(spec(1, "x".repeat(49_149)), never());
  const [sent] = creates(cloud);
  assert.ok(JSON.stringify(sent?.body).includes(`"user_data":"${"eHh4".repeat(16_383)}"`), "65532 of 65535 characters");
  const error = await failureOf(provider.create(spec(2, "x".repeat(49_150)), never()), RefusedError);
  assert.match(error.message, "the user data has 49150 bytes; at most 49149 are allowed");
  assert.is(creates(cloud).length, 1);
});

interface Refusal {
  readonly reply: CloudReply | string;
  readonly kind: string;
  readonly message: RegExp;
  readonly limit?: "quota" | "rate";
  readonly retryAfterMs?: number;
}

const rateLimited = (status: number, headers: Record<string, string>): CloudReply => ({
  status,
  headers,
  body: { overLimit: { code: status, message: "This request was rate-limited.", details: "Only 10 POST per minute" } },
});
const REFUSALS: Readonly<Record<string, Refusal>> = {
  "403, instances": {
    reply: "nova/create-refusals/quota-instances",
    kind: "infrastructure",
    message: /^quota, 1 of 1 instances$/,
    limit: "quota",
  },
  "403, cores and memory": {
    reply: "nova/create-refusals/quota-cores-ram",
    kind: "infrastructure",
    message: /^quota, 1 of 1 cores, 128 of 128 ram$/,
    limit: "quota",
  },
  "403, ports": {
    reply: "nova/create-refusals/quota-ports",
    kind: "infrastructure",
    message: /^quota: Maximum number of ports exceeded$/,
    limit: "quota",
  },
  "403, group": {
    reply: { status: 403, body: { forbidden: { code: 403, message: "Quota exceeded, too many servers in group" } } },
    kind: "infrastructure",
    message: /^quota: Quota exceeded, too many servers in group$/,
    limit: "quota",
  },
  "413, quota": {
    reply: {
      status: 413,
      body: {
        overLimit: {
          code: 413,
          message: "Quota exceeded for instances: Requested 1, but already used 9 of 9 instances",
        },
      },
    },
    kind: "infrastructure",
    message: /^quota, 9 of 9 instances$/,
    limit: "quota",
  },
  "403, policy": {
    reply: "nova/create-refusals/no-permission",
    kind: "denied",
    message: /does not allow this machine: Policy doesn't allow os_compute_api/,
  },
  "409": {
    reply: {
      status: 409,
      body: {
        conflictingRequest: {
          code: 409,
          message: "Multiple possible networks found, use a Network ID to be more specific.",
        },
      },
    },
    kind: "infrastructure",
    message: /409, Multiple possible networks found/,
  },
  "429": { reply: rateLimited(429, {}), kind: "infrastructure", message: /^rate limit of the cloud$/, limit: "rate" },
  "429 with Retry-After": {
    reply: rateLimited(429, { "retry-after": "7" }),
    kind: "infrastructure",
    message: /^rate limit of the cloud, retry after 7 s$/,
    limit: "rate",
    retryAfterMs: 7000,
  },
  "413 with Retry-After": {
    reply: rateLimited(413, { "retry-after": "12" }),
    kind: "infrastructure",
    message: /12 s$/,
    limit: "rate",
    retryAfterMs: 12_000,
  },
  "429 with a Retry-After of an hour": {
    reply: rateLimited(429, { "retry-after": "3600" }),
    kind: "infrastructure",
    message: /300 s$/,
    limit: "rate",
    retryAfterMs: 300_000,
  },
  "429 with a Retry-After in the past": {
    reply: rateLimited(429, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }),
    kind: "infrastructure",
    message: /rate limit/,
    limit: "rate",
    retryAfterMs: 0,
  },
  "400, image": {
    reply: "nova/create-refusals/bad-image",
    kind: "config",
    message: /does not accept this machine: Can not find requested image/,
  },
  "400, flavor": {
    reply: "nova/create-refusals/bad-flavor",
    kind: "config",
    message: /Flavor nope could not be found/,
  },
  "400, network": {
    reply: "nova/create-refusals/bad-network",
    kind: "config",
    message: /Network 00000000-.* could not be found/,
  },
  "400, zone": {
    reply: "nova/create-refusals/bad-zone",
    kind: "config",
    message: /The requested availability zone is not available/,
  },
  "400, key": { reply: "nova/create-refusals/bad-key", kind: "config", message: /Invalid key_name provided/ },
  "406, microversion": {
    reply: "nova/errors/microversion-too-high",
    kind: "infrastructure",
    message: /406, Version 2\.999 is not supported/,
  },
};

for (const [status, { reply, kind, message, limit, retryAfterMs }] of Object.entries(REFUSALS)) {
  test(`create() refused with ${status} throws RefusedError without a lookup`, async ({ cloud }) => {
    cloud.replyTo(CREATE, reply);
    const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
    assert.equal([error.kind, error.limit, error.retryAfterMs], [kind, limit, retryAfterMs]);
    assert.match(error.message, message);
    assert.is(cloud.requestCounts()[LIST], undefined);
  });
}

test("create() can be repeated after a refusal", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.replyTo(CREATE, "nova/create-refusals/quota-instances", "nova/server/created");
  await failureOf(provider.create(spec(1), never()), RefusedError);
  await provider.create(spec(1), never());
  assert.is(creates(cloud).length, 2);
});

test("create() reads the limits when the message of a quota has no numbers", async ({ cloud }) => {
  const details = `GET /neutron/v2.0/quotas/${recorded("keystone/token").body.token.project.id}/details.json`;
  cloud.replyTo(CREATE, "nova/create-refusals/quota-ports");
  cloud.replyTo(details, "neutron/quota");
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.equal([error.message, error.limit], ["quota, 1 of 1 ports", "quota"]);
});

test("the error of create() does not contain the user data that nova quotes", async ({ cloud }) => {
  cloud.replyTo(CREATE, "nova/create-refusals/user-data-too-long");
  const secret = Buffer.from("QUFB", "base64").toString().repeat(1000);
  const error = await failureOf(providerOn(cloud).create(spec(1, secret), never()), RefusedError);
  assert.is(error.message, "the cloud does not accept this machine: Invalid input for field/attribute user_data.");
  assert.is(String(error.cause).includes("QUFB"), false);
});

test("the error of create() contains no word as long as a token", async ({ cloud }) => {
  const message = `Something about ${"gAAAAABp".repeat(20)} went wrong`;
  cloud.replyTo(CREATE, { status: 400, body: { badRequest: { message } } });
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.is(error.message, "the cloud does not accept this machine: Something about … went wrong");
});
test.run();
