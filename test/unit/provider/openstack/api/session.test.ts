/** Login, token, catalog and calls on a recorded cloud, and what goes wrong with each. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../../lib/core/errors.ts";
import type { SessionOptions } from "../../../../../lib/provider/openstack/api/session.ts";
import { OpenStackProvider } from "../../../../../lib/provider/openstack/provider.ts";
import { failureOf, never, SHAPE, siteFor } from "../../../../support/openstack/openstack-provider.ts";
import { type Answer, RecordedCloud, recorded } from "../../../../support/openstack/recorded-cloud.ts";

const LOGIN = "POST /keystone/v3/auth/tokens";
const LIST = "GET /nova/v2.1/servers/detail";
/** Patience where no answer comes: enough for one that does, on a busy machine. */
const CALL_MS = 1000;

const test = suite<{ cloud: RecordedCloud }>("session with OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const providerWith = (cloud: RecordedCloud, env: Record<string, string> = {}, options: SessionOptions = {}) =>
  new OpenStackProvider(siteFor(cloud, options, env), SHAPE);
const logins = ({ asked }: RecordedCloud) => asked.filter(({ path }) => path.startsWith("/keystone")).length;

/** A token as recorded, that is good for so long. */
function tokenFor(seconds: number): Answer {
  const { status, headers, body } = recorded("token");
  const issued_at = "2026-01-01T00:00:00.000000Z";
  const expires_at = new Date(Date.parse(issued_at) + seconds * 1000).toISOString();
  return { status, headers, body: { token: { ...body.token, issued_at, expires_at } } };
}

test("one login is enough for many calls at once, and its token goes with each", async ({ cloud }) => {
  const provider = providerWith(cloud);
  await Promise.all([provider.check(never()), provider.listMachines(never())]);
  assert.is(logins(cloud), 1);
  const others = cloud.asked.filter(({ path }) => !path.startsWith("/keystone"));
  const tokens = new Set(others.map(({ headers }) => headers["x-auth-token"]));
  assert.equal([...tokens], [recorded("token").headers["x-subject-token"]]);
  assert.ok(others.length > 5);
});

/** The provider, and a clock that is set by hand. */
function withClock(cloud: RecordedCloud) {
  const clock = { nowMs: 1000 };
  const provider = providerWith(cloud, {}, { nowMs: () => clock.nowMs });
  const loginsAt = async (nowMs: number) => {
    clock.nowMs = nowMs;
    await provider.check(never());
    return logins(cloud);
  };
  return loginsAt;
}
const MINUTE_MS = 60_000;

test("a token is renewed five minutes before its end, by how long it lives and not by the cloud's clock", async ({
  cloud,
}) => {
  cloud.answer(LOGIN, tokenFor(3600));
  const loginsAt = withClock(cloud);
  assert.is(await loginsAt(0), 1);
  assert.is(await loginsAt(55 * MINUTE_MS - 1), 1);
  assert.is(await loginsAt(55 * MINUTE_MS), 2);
});

test("a token that lives for ten minutes is renewed after eight", async ({ cloud }) => {
  cloud.answer(LOGIN, tokenFor(600));
  const loginsAt = withClock(cloud);
  assert.is(await loginsAt(0), 1);
  assert.is(await loginsAt(8 * MINUTE_MS - 1), 1);
  assert.is(await loginsAt(8 * MINUTE_MS), 2);
});

test("a Keystone that is away is no trouble as long as the token is good, and is asked every 30 s", async ({
  cloud,
}) => {
  cloud.answer(LOGIN, tokenFor(3600), { status: 503 });
  const loginsAt = withClock(cloud);
  await loginsAt(0);
  assert.is(await loginsAt(56 * MINUTE_MS), 2);
  assert.is(await loginsAt(56.5 * MINUTE_MS - 1), 2);
  assert.is(await loginsAt(56.5 * MINUTE_MS), 3);
  await failureOf(loginsAt(60 * MINUTE_MS), CbError);
  // A login that is refused is none that is away.
  cloud.answer(LOGIN, tokenFor(3600), "token-wrong-password");
  await loginsAt(61 * MINUTE_MS);
  assert.is((await failureOf(loginsAt(117 * MINUTE_MS), CbError)).kind, "config");
});

test("a token that a service refuses is renewed once, and the call is made again", async ({ cloud }) => {
  cloud.answer(LIST, "nova-invalid-token", "servers-none");
  assert.equal((await providerWith(cloud).listMachines(never())).machines, []);
  assert.equal([logins(cloud), cloud.calls()[LIST]], [2, 2]);
  cloud.answer(LIST, "nova-invalid-token");
  const error = await failureOf(providerWith(cloud).listMachines(never()), CbError);
  assert.match(error.message, "refuses a token that Keystone has just given");
  assert.equal([logins(cloud), cloud.calls()[LIST]], [4, 4]);
});

test("every service may refuse a token in its own words", async ({ cloud }) => {
  cloud.answer("GET /neutron/v2.0/networks", "neutron-invalid-token", "networks");
  cloud.answer("GET /glance/v2/images", "glance-invalid-token", "images-stub");
  await providerWith(cloud).check(never());
  assert.is(logins(cloud), 3);
});

const REFUSED: readonly (readonly [Answer | string, RegExp])[] = [
  ["token-wrong-password", /Keystone refuses the login of user demo, project demo: The request you have made/],
  ["token-wrong-project", /refuses the login of user demo, project demo/],
  ["token-application-credential-wrong-secret", /refuses the login/],
  ["token-application-credential-revoked", /refuses the login .*: Could not find Application Credential: 23ce/],
  ["token-bad-body", /refuses the login .*: Expecting to find password in identity/],
  ["keystone-wrong-address", /no Keystone v3 at auth_url http:.*, the answer is 300/],
  [{ status: 404, body: "<html>Not Found" }, /no Keystone v3 at auth_url .*, the answer is 404/],
  [{ status: 302, headers: { location: "https://elsewhere.test" } }, /no Keystone v3 .* the answer is 302/],
];
for (const [answer, words] of REFUSED) {
  test(`a login that is answered with ${JSON.stringify(answer)} is a mistake of the configuration`, async ({
    cloud,
  }) => {
    cloud.answer(LOGIN, answer);
    const provider = providerWith(cloud, { OS_PASSWORD: "my-password" });
    const { kind, message, hint, cause } = await failureOf(provider.check(never()), CbError);
    assert.is(kind, "config");
    assert.match(message, words);
    assert.match(message, "the OS_* variables: ");
    assert.not.match(`${message} ${hint} ${cause}`, "my-password");
  });
}

test("an application credential logs in for its own project", async ({ cloud }) => {
  cloud.answer(LOGIN, "token-application-credential");
  const env = { OS_APPLICATION_CREDENTIAL_ID: "i", OS_APPLICATION_CREDENTIAL_SECRET: "s" };
  await providerWith(cloud, env).listMachines(never());
  const sent = { methods: ["application_credential"], application_credential: { id: "i", secret: "s" } };
  assert.equal(cloud.asked[0]?.body, { auth: { identity: sent } });
});

test("a Keystone that is in trouble is no mistake of the configuration", async ({ cloud }) => {
  for (const answer of [{ status: 503 }, { status: 429 }, "cut", "silent", { status: 201, body: {} }] as const) {
    cloud.answer(LOGIN, answer);
    const error = await failureOf(providerWith(cloud, {}, { callMs: CALL_MS }).listMachines(never()), CbError);
    assert.is(error.kind, "infrastructure");
    assert.match(error.message, "Keystone");
  }
});

test("region, interface and service come from the catalog, and what is there is named", async ({ cloud }) => {
  const wrong = async (env: Record<string, string>) => {
    const { kind, message, hint } = await failureOf(providerWith(cloud, env).check(never()), CbError);
    assert.is(kind, "config");
    return `${message}; ${hint}`;
  };
  assert.match(await wrong({ OS_REGION_NAME: "RegionTwo" }), /there is no region RegionTwo; there is RegionOne/);
  await providerWith(cloud, { OS_REGION_NAME: "RegionOne", OS_INTERFACE: "internal" }).check(never());
  const { status, headers, body } = recorded("token");
  const compute = body.token.catalog.find(({ type }: { type: string }) => type === "compute");
  const endpoint = compute.endpoints.find((one: { interface: string }) => one.interface === "public");
  const only = (service: object) =>
    cloud.answer(LOGIN, { status, headers, body: { token: { ...body.token, catalog: [service] } } });
  only({ ...compute, endpoints: [endpoint, { ...endpoint, region_id: "B", region: "B" }] });
  assert.match(await wrong({}), /region_name is missing, and there are 2 regions; there is B, RegionOne/);
  only({ ...compute, endpoints: [{ ...endpoint, interface: "internal" }] });
  assert.match(await wrong({}), /there is no public interface to compute; set "interface" to one of internal/);
  only({ ...compute, type: "baremetal" });
  assert.match(await wrong({}), /there is no service of the type compute in the catalog/);
});

test("nova is spoken to in the newest microversion that both know, and 2.52 at least", async ({ cloud }) => {
  const spoken = async (newest: string) => {
    const version = { id: "v2.1", version: newest, min_version: "2.1" };
    cloud.answer("GET /nova/v2.1/", { status: 200, body: { version } });
    await providerWith(cloud).listMachines(never());
    return cloud.asked.at(-1)?.headers["openstack-api-version"];
  };
  assert.is(await spoken("2.100"), "compute 2.79");
  assert.is(await spoken("2.60"), "compute 2.60");
  assert.is(await spoken("2.52"), "compute 2.52");
  assert.match((await failureOf(spoken("2.51"), CbError)).message, "up to 2.51, at least 2.52 is needed");
  assert.match((await failureOf(spoken(""), CbError)).message, "does not say which microversions");
});

test("an endpoint with the project's id has its version document above it", async ({ cloud }) => {
  const { status, headers, body } = recorded("token");
  const catalog = JSON.parse(JSON.stringify(body.token.catalog).replaceAll("8774/v2.1", "8774/v2.1/abc"));
  cloud.answer(LOGIN, { status, headers, body: { token: { ...body.token, catalog } } });
  cloud.answer("GET /nova/v2.1/abc/servers/detail", "servers-none");
  await providerWith(cloud).listMachines(never());
  assert.equal(Object.keys(cloud.calls()), ["GET /nova/v2.1/", "GET /nova/v2.1/abc/servers/detail"]);
});

test("an answer is bounded in time and in bytes, and no redirect is followed", async ({ cloud }) => {
  const failed = async (answer: Answer, options: SessionOptions = {}) => {
    cloud.answer(LIST, answer);
    return (await failureOf(providerWith(cloud, {}, options).listMachines(never()), CbError)).message;
  };
  assert.match(await failed("silent", { callMs: CALL_MS }), "nothing within 1 s");
  const long = { status: 200, body: { servers: ["x".repeat(9_000_000)] } };
  assert.match(await failed(long), /longer than 8388608 bytes/);
  assert.match(await failed({ status: 302, headers: { location: `${cloud.address}/nova/v2.1/` } }), "answers 302");
});

test("calls go through the proxy of HTTP_PROXY", async ({ cloud }) => {
  const tunnels: (string | undefined)[] = [];
  const proxy = createServer().on("connect", ({ url }, socket) => {
    tunnels.push(url);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const before = process.env.http_proxy;
  process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    await failureOf(providerWith(cloud).listMachines(never()), CbError);
  } finally {
    if (before === undefined) delete process.env.http_proxy;
    else process.env.http_proxy = before;
    proxy.close();
  }
  assert.equal([...new Set(tunnels)], [new URL(cloud.address).host]);
  assert.equal(cloud.asked, []);
});

test.run();
