/** Destroys and consoles on a recorded cloud. */
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
import { type Answer, RecordedCloud } from "../../../support/openstack/recorded-cloud.ts";

const LIST = "GET /nova/v2.1/servers/detail";
const ID = "5e0a1b2c";
const DELETE = `DELETE /nova/v2.1/servers/${ID}`;
const ACTION = `POST /nova/v2.1/servers/${ID}/action`;

const test = suite<{ cloud: RecordedCloud }>("destroy on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
  context.cloud.answer(LIST, listingOf(serverAs("server-active", spec(1), { id: ID })));
  context.cloud.answer(DELETE, "server-deleted");
});
test.after.each(({ cloud }) => cloud.stop());

test("destroy() looks a machine up by its tag, or takes it from the latest listing", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await provider.destroy(spec(1).builder, never());
  assert.equal(cloud.calls(), { "GET /nova/v2.1/": 1, [LIST]: 1, [DELETE]: 1 });
  assert.is(cloud.asked.at(-2)?.query.get("tags"), `cb-installation=site,cb-builder=${spec(1).builder}`);
  await provider.listMachines(never());
  await provider.destroy(spec(1).builder, never());
  assert.equal(cloud.calls(), { "GET /nova/v2.1/": 1, [LIST]: 2, [DELETE]: 2 });
});

test("destroy() of what is gone, or never was, is done", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.answer(DELETE, "server-delete-gone");
  await provider.destroy(spec(1).builder, never());
  cloud.answer(LIST, listingOf());
  await providerOn(cloud).destroy(spec(2).builder, never());
  assert.is(cloud.calls()[DELETE], 1);
});

test("destroy() takes both where one builder has two servers", async ({ cloud }) => {
  const twins = [ID, "twin"].map((id) => serverAs("server-active", spec(1), { id }));
  cloud.answer(LIST, listingOf(...twins));
  cloud.answer("DELETE /nova/v2.1/servers/twin", "server-deleted");
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.equal([cloud.calls()[DELETE], cloud.calls()["DELETE /nova/v2.1/servers/twin"]], [1, 1]);
});

test("destroy() touches nothing that only looks like ours", async ({ cloud }) => {
  cloud.answer(LIST, listingOf(serverAs("server-active", spec(1), { id: ID, metadata: {} })));
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.is(cloud.calls()[DELETE], undefined);
});

const FAILURES: readonly (readonly [Answer | string, RegExp])[] = [
  ["server-delete-locked", /409, Instance .* is locked/],
  ["nova-500", /the cloud answers 500/],
  ["nova-without-keystone", /the cloud answers 503/],
  ["cut", /no answer to DELETE/],
  [{ status: 429, headers: { "retry-after": "2" } }, /asks to wait 2 s/],
];
for (const [answer, words] of FAILURES) {
  test(`destroy() throws after ${JSON.stringify(answer)}, and is asked for again by the pool`, async ({ cloud }) => {
    cloud.answer(DELETE, answer, "server-deleted");
    const provider = providerOn(cloud);
    assert.match((await failureOf(provider.destroy(spec(1).builder, never()), CbError)).message, words);
    await provider.destroy(spec(1).builder, never());
    assert.is(cloud.calls()[DELETE], 2);
  });
}

test("destroy() of a soft-deleted server deletes it for good", async ({ cloud }) => {
  cloud.answer(LIST, listingOf(serverAs("server-active", spec(1), { id: ID, status: "SOFT_DELETED" })));
  cloud.answer(ACTION, { status: 202 });
  await providerOn(cloud).destroy(spec(1).builder, never());
  assert.equal([cloud.calls()[DELETE], cloud.asked.at(-1)?.body], [undefined, { forceDelete: null }]);
});

test("destroy() and consoleOutput() take builder ids only", async ({ cloud }) => {
  const provider = providerOn(cloud);
  await failureOf(provider.destroy("a,b", never()), CbError);
  await failureOf(provider.consoleOutput("../x", 10, never()), CbError);
  assert.equal(cloud.asked, []);
});

test("consoleOutput() is the newest bytes of the newest lines", async ({ cloud }) => {
  const provider = providerOn(cloud);
  cloud.answer(ACTION, "console");
  const read = async (bytes: number) =>
    Buffer.from(await provider.consoleOutput(spec(1).builder, bytes, never())).toString();
  assert.is(await read(4096), "FAKE CONSOLE OUTPUT\nANOTHER\nLAST LINE");
  assert.equal(cloud.asked.at(-1)?.body, { "os-getConsoleOutput": { length: 205 } });
  assert.is(await read(4), "LINE");
});

test("consoleOutput() is empty where there is no machine, none any more, or nothing yet", async ({ cloud }) => {
  const provider = providerOn(cloud);
  for (const answer of ["console-gone", { status: 409 }, { status: 200, body: { output: null } }]) {
    cloud.answer(ACTION, answer);
    assert.is((await provider.consoleOutput(spec(1).builder, 100, never())).length, 0);
  }
  cloud.answer(LIST, listingOf());
  assert.is((await provider.consoleOutput(spec(2).builder, 100, never())).length, 0);
});

test.run();
