/** Creates on a recorded cloud that are not answered, or not so that it is known what was done. */
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
import { type Answer, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const CREATE = "POST /nova/v2.1/servers";
const LIST = "GET /nova/v2.1/servers/detail";
/** Patience where no answer comes: enough for one that does, on a busy machine. */
const CALL_MS = 1000;

const test = suite<{ cloud: RecordedCloud }>("create on OpenStack, in doubt");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const creates = ({ asked }: RecordedCloud) => asked.filter(({ method, path }) => `${method} ${path}` === CREATE);

/** No reply, or one that does not say what was done. */
const DOUBTS: readonly (readonly [string, Answer | string, RegExp])[] = [
  ["a connection that is cut", "cut", /no answer to POST/],
  ["a silence", "silent", /nothing within 1 s/],
  ["500", "nova-500", /nova answers 500: Unexpected API Error/],
  ["503 of a nova without keystone", "nova-without-keystone", /nova answers 503: The server is currently unavailable/],
  ["502 of what stands before nova", { status: 502, body: "<html><b>Bad Gateway</b></html>" }, /nova answers 502/],
  ["504 of what stands before nova", { status: 504 }, /nova answers 504/],
];

for (const [what, answer, words] of DOUBTS) {
  test(`create() looks for the machine of its attempt after ${what}, and sends nothing twice`, async ({ cloud }) => {
    const provider = providerOn(cloud, {}, answer === "silent" ? CALL_MS : undefined);
    cloud.answer(CREATE, answer);
    cloud.answer(LIST, listingOf(serverAs("server-stuck-building", spec(1))));
    await provider.create(spec(1), never());
    const look = cloud.asked.at(-1);
    assert.is(look?.query.get("tags"), `cb-installation=site,cb-attempt=${spec(1).attempt}`);

    cloud.answer(LIST, listingOf());
    const error = await failureOf(provider.create(spec(2), never()), CbError);
    assert.match(error.message, words);
    assert.match(error.message, "no machine of this attempt is listed so far");
    assert.not.instance(error, RefusedError);

    // Asked for once more it is looked for once more, and that is all.
    await failureOf(provider.create(spec(2), never()), CbError);
    cloud.answer(LIST, listingOf(serverAs("server-stuck-building", spec(2))));
    await provider.create(spec(2), never());
    assert.is(creates(cloud).length, 2);
  });
}

test("create() that cannot even look for its machine says so, and is no refusal", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.answer(CREATE, "cut");
  for (const answer of ["nova-without-keystone", "cut", { status: 429 }] as const) {
    cloud.answer(LIST, answer);
    const error = await failureOf(provider.create(spec(1), never()), CbError);
    assert.not.instance(error, RefusedError);
    assert.match(error.message, /no answer to POST .*; and it cannot be looked for: /);
  }
});

test("create() is a refusal when nobody can have got the request", async ({ cloud }) => {
  const { status, headers, body } = recorded("token");
  const nobody = JSON.parse(JSON.stringify(body).replaceAll("http://127.0.0.1:8774", "http://127.0.0.1:1"));
  // The new login after the 401 leads to a port where nobody is.
  cloud.answer("POST /keystone/v3/auth/tokens", { status, headers, body }, { status, headers, body: nobody });
  cloud.answer(CREATE, "nova-invalid-token");
  const error = await failureOf(providerOn(cloud).create(spec(1), never()), RefusedError);
  assert.equal([error.kind, error.limit], ["infrastructure", undefined]);
  assert.match(error.message, "ECONNREFUSED 127.0.0.1:1");
});

test("create() is a refusal when what it needs to know cannot be asked: no machine was asked for", async ({
  cloud,
}) => {
  for (const answer of ["silent", "cut", "nova-without-keystone", { status: 429 }] as const) {
    cloud.answer("GET /nova/v2.1/flavors", answer);
    await failureOf(providerOn(cloud, {}, CALL_MS).create(spec(1), never()), RefusedError);
  }
  assert.is(creates(cloud).length, 0);
});

test("create() ends with the caller's own reason when that stops waiting", async ({ cloud }) => {
  cloud.answer(CREATE, "silent");
  const stop = new AbortController();
  const ended = failureOf(providerOn(cloud).create(spec(1), stop.signal), Error);
  await cloud.arrival(CREATE);
  stop.abort(new Error("the queue stops"));
  const error = await ended;
  assert.equal([error.message, error instanceof RefusedError], ["the queue stops", false]);
});

test.run();
