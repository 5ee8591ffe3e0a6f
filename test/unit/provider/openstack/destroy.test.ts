/** destroy() and consoleOutput() on a recorded cloud. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import {
  failureOf,
  listingOf,
  never,
  providerOn,
  serverAs,
  spec,
} from "../../../support/openstack/openstack-provider.ts";
import { type CloudReply, RecordedCloud } from "../../../support/openstack/recorded-cloud.ts";

const LIST = "GET /nova/v2.1/servers/detail";
const ID = "5e0a1b2c";
const DELETE = `DELETE /nova/v2.1/servers/${ID}`;
const ACTION = `POST /nova/v2.1/servers/${ID}/action`;

const test = suite<{ cloud: RecordedCloud }>("destroy on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
  context.cloud.replyTo(LIST, listingOf(serverAs("nova/server/active", spec(1), { id: ID })));
  context.cloud.replyTo(DELETE, "nova/server/deleted");
});
test.after.each(({ cloud }) => cloud.stop());

test("destroy() finds the server by its tag, or in the latest listing", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await provider.destroy(spec(1).builder, never());
  assert.equal(cloud.requestCounts(), { "GET /nova/v2.1/": 1, [LIST]: 1, [DELETE]: 1 });
  assert.is(cloud.requests.at(-2)?.query.get("tags"), `cb-installation=site,cb-builder=${spec(1).builder}`);
  await provider.listMachines(never());
  await provider.destroy(spec(1).builder, never());
  assert.equal(cloud.requestCounts(), { "GET /nova/v2.1/": 1, [LIST]: 2, [DELETE]: 2 });
});

test("destroy() resolves for a deleted machine, and for one that never existed", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.replyTo(DELETE, "nova/server/delete-gone");
  await provider.destroy(spec(1).builder, never());
  cloud.replyTo(LIST, listingOf());
  await providerOn(cloud).destroy(spec(2).builder, never());
  assert.is(cloud.requestCounts()[DELETE], 1);
});

test("destroy() deletes both servers of a builder that has two", async ({ cloud }) => {
  const twins = [ID, "twin"].map((id) => serverAs("nova/server/active", spec(1), { id }));
  cloud.replyTo(LIST, listingOf(...twins));
  cloud.replyTo("DELETE /nova/v2.1/servers/twin", "nova/server/deleted");
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.equal([cloud.requestCounts()[DELETE], cloud.requestCounts()["DELETE /nova/v2.1/servers/twin"]], [1, 1]);
});

test("destroy() deletes no server without the metadata of the installation", async ({ cloud }) => {
  cloud.replyTo(LIST, listingOf(serverAs("nova/server/active", spec(1), { id: ID, metadata: {} })));
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.is(cloud.requestCounts()[DELETE], undefined);
});

const FAILURES: readonly (readonly [CloudReply | string, RegExp])[] = [
  ["nova/server/delete-locked", /409, Instance .* is locked/],
  ["nova/errors/internal-error", /the cloud replies with status 500/],
  ["nova/errors/without-keystone", /the cloud replies with status 503/],
  ["disconnect", /no reply to DELETE/],
  [{ status: 429, headers: { "retry-after": "2" } }, /retry after 2 s/],
];
for (const [reply, message] of FAILURES) {
  test(`destroy() throws after ${JSON.stringify(reply)}, and can be repeated`, async ({ cloud }) => {
    cloud.replyTo(DELETE, reply, "nova/server/deleted");
    const provider = providerOn(cloud);
    assert.match((await failureOf(provider.destroy(spec(1).builder, never()), CbError)).message, message);
    await provider.destroy(spec(1).builder, never());
    assert.is(cloud.requestCounts()[DELETE], 2);
  });
}

test("destroy() of a soft-deleted server deletes it permanently", async ({ cloud }) => {
  cloud.replyTo(LIST, listingOf(serverAs("nova/server/active", spec(1), { id: ID, status: "SOFT_DELETED" })));
  cloud.replyTo(ACTION, { status: 202 });
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.equal([cloud.requestCounts()[DELETE], cloud.requests.at(-1)?.body], [undefined, { forceDelete: null }]);
});

test("destroy() and consoleOutput() accept only builder ids", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await failureOf(provider.destroy("a,b", never()), CbError);
  await failureOf(provider.consoleOutput("../x", 10, never()), CbError);
  assert.equal(cloud.requests, []);
});

test("consoleOutput() resolves with the last bytes of the last lines", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.replyTo(ACTION, "nova/server/console");
  const read = async (bytes: number) =>
    Buffer.from(await provider.consoleOutput(spec(1).builder, bytes, never())).toString();
  assert.is(await read(4096), "FAKE CONSOLE OUTPUT\nANOTHER\nLAST LINE");
  assert.equal(cloud.requests.at(-1)?.body, { "os-getConsoleOutput": { length: 205 } });
  assert.is(await read(4), "LINE");
});

test("consoleOutput() is empty for a missing or deleted machine, and for one without output", async ({ cloud }) => {
  const provider = providerOn(cloud);
  for (const reply of ["nova/server/console-gone", { status: 409 }, { status: 200, body: { output: null } }]) {
    cloud.replyTo(ACTION, reply);
    assert.is((await provider.consoleOutput(spec(1).builder, 100, never())).length, 0);
  }
  cloud.replyTo(LIST, listingOf());
  assert.is((await provider.consoleOutput(spec(2).builder, 100, never())).length, 0);
});

test.run();
