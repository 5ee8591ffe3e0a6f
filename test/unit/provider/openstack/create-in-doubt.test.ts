/** Creates on a recorded cloud without a reply, or with a reply that leaves open whether a machine was created. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { RefusedError } from "../../../../lib/provider/provider.ts";
import {
  failureOf,
  listingOf,
  never,
  providerOn,
  serverAs,
  spec,
} from "../../../support/openstack/openstack-provider.ts";
import { type CloudReply, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const CREATE = "POST /nova/v2.1/servers";
const LIST = "GET /nova/v2.1/servers/detail";
/** Limit for calls to a silent service; long enough for a reply from the others on a loaded machine. */
const CALL_MS = 1000;

const test = suite<{ cloud: RecordedCloud }>("create on OpenStack, in doubt");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const creates = ({ requests }: RecordedCloud) => requests.filter(({ method, path }) => `${method} ${path}` === CREATE);

/** No reply, or one that leaves open whether a machine was created. */
const DOUBTS: readonly (readonly [string, CloudReply | string, RegExp])[] = [
  ["a disconnect", "disconnect", /no reply to POST/],
  ["a timeout", "silent", /none within 1 s/],
  ["500", "nova/errors/internal-error", /nova replies with status 500: Unexpected API Error/],
  [
    "503 from a nova without keystone",
    "nova/errors/without-keystone",
    /nova replies with status 503: The server is currently unavailable/,
  ],
  [
    "502 from a proxy in front of nova",
    { status: 502, body: "<html><b>Bad Gateway</b></html>" },
    /nova replies with status 502/,
  ],
  ["504 from a proxy in front of nova", { status: 504 }, /nova replies with status 504/],
];

for (const [failure, reply, message] of DOUBTS) {
  test(`create() looks up the machine of its attempt after ${failure}, and sends no second create`, async ({
    cloud,
  }) => {
    const provider = providerOn(cloud, {}, reply === "silent" ? CALL_MS : undefined);
    cloud.replyTo(CREATE, reply);
    cloud.replyTo(LIST, listingOf(serverAs("nova/server/stuck-building", spec(1))));
    await provider.create(spec(1), never());
    const lookup = cloud.requests.at(-1);
    assert.is(lookup?.query.get("tags"), `cb-installation=site,cb-attempt=${spec(1).attempt}`);

    cloud.replyTo(LIST, listingOf());
    const error = await failureOf(provider.create(spec(2), never()), CbError);
    assert.match(error.message, message);
    assert.match(error.message, "no machine of this attempt is listed yet");
    assert.not.instance(error, RefusedError);

    // A repeated create is only a lookup.
    await failureOf(provider.create(spec(2), never()), CbError);
    cloud.replyTo(LIST, listingOf(serverAs("nova/server/stuck-building", spec(2))));
    await provider.create(spec(2), never());
    assert.is(creates(cloud).length, 2);
  });
}

test("create() reports both failures when its lookup fails too, and is not a refusal", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.replyTo(CREATE, "disconnect");
  for (const reply of ["nova/errors/without-keystone", "disconnect", { status: 429 }] as const) {
    cloud.replyTo(LIST, reply);
    const error = await failureOf(provider.create(spec(1), never()), CbError);
    assert.not.instance(error, RefusedError);
    assert.match(error.message, /no reply to POST .*; and the lookup failed: /);
  }
});

test("create() is a refusal when nova cannot have received the request", async ({ cloud }) => {
  const { status, headers, body } = recorded("keystone/token");
  const unreachable = JSON.parse(JSON.stringify(body).replaceAll("http://127.0.0.1:8774", "http://127.0.0.1:1"));
  // The catalog of the second login, after the 401, has a port on which nothing listens.
  cloud.replyTo("POST /keystone/v3/auth/tokens", { status, headers, body }, { status, headers, body: unreachable });
  cloud.replyTo(CREATE, "nova/errors/invalid-token");
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.equal([error.kind, error.limit], ["infrastructure", undefined]);
  assert.match(error.message, "ECONNREFUSED 127.0.0.1:1");
});

test("create() is a refusal when the flavors cannot be listed, because no create was sent", async ({ cloud }) => {
  for (const reply of ["silent", "disconnect", "nova/errors/without-keystone", { status: 429 }] as const) {
    cloud.replyTo("GET /nova/v2.1/flavors", reply);
    await failureOf(providerOn(cloud, {}, CALL_MS).create(spec(1), never()), RefusedError);
  }
  assert.is(creates(cloud).length, 0);
});

test("create() rejects with the signal's reason when the caller aborts it", async ({ cloud }) => {
  cloud.replyTo(CREATE, "silent");
  const stop = new AbortController();
  const ended = failureOf(providerOn(cloud).create(spec(1), stop.signal), Error);
  await cloud.nextRequest(CREATE);
  stop.abort(new Error("the queue stops"));
  const error = await ended;
  assert.equal([error.message, error instanceof RefusedError], ["the queue stops", false]);
});

test.run();
