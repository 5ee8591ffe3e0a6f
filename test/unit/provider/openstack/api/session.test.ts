/** Login, token, catalog and calls on a recorded cloud, and the failures of each. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../../lib/core/errors.ts";
import type { SessionOptions } from "../../../../../lib/provider/openstack/api/session.ts";
import { OpenStackProvider } from "../../../../../lib/provider/openstack/provider.ts";
import { failureOf, never, sharedCloud, TEMPLATE } from "../../../../support/openstack/openstack-provider.ts";
import { type CloudReply, RecordedCloud, recorded } from "../../../../support/openstack/recorded-cloud.ts";

const LOGIN = "POST /keystone/v3/auth/tokens";
const LIST = "GET /nova/v2.1/servers/detail";
/** Limit for calls to a silent service; long enough for a reply from the others on a loaded machine. */
const CALL_MS = 1000;

const test = suite<{ cloud: RecordedCloud }>("session with OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const providerWith = (cloud: RecordedCloud, env: Record<string, string> = {}, options: SessionOptions = {}) =>
  new OpenStackProvider(sharedCloud(cloud, options, env), TEMPLATE);
const logins = ({ requests }: RecordedCloud) => requests.filter(({ path }) => path.startsWith("/keystone")).length;

/** The recorded token with another lifetime. */
function tokenFor(seconds: number): CloudReply {
  const { status, headers, body } = recorded("keystone/token");
  const issued_at = "2026-01-01T00:00:00.000000Z";
  const expires_at = new Date(Date.parse(issued_at) + seconds * 1000).toISOString();
  return { status, headers, body: { token: { ...body.token, issued_at, expires_at } } };
}

test("concurrent calls wait for one login, and all send its token", async ({ cloud }) => {
  const provider = providerWith(cloud);
  await Promise.all([provider.check(never()), provider.listMachines(never())]);
  assert.is(logins(cloud), 1);
  const others = cloud.requests.filter(({ path }) => !path.startsWith("/keystone"));
  const tokens = new Set(others.map(({ headers }) => headers["x-auth-token"]));
  assert.equal([...tokens], [recorded("keystone/token").headers["x-subject-token"]]);
  assert.ok(others.length > 5);
});

/** Resolves with the number of logins after a check() at `nowMs` of a manual clock. */
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

test("a token is renewed five minutes before the end of its lifetime, whatever the cloud's clock shows", async ({
  cloud,
}) => {
  cloud.replyTo(LOGIN, tokenFor(3600));
  const loginsAt = withClock(cloud);
  assert.is(await loginsAt(0), 1);
  assert.is(await loginsAt(55 * MINUTE_MS - 1), 1);
  assert.is(await loginsAt(55 * MINUTE_MS), 2);
});

test("a token with a lifetime of ten minutes is renewed after eight", async ({ cloud }) => {
  cloud.replyTo(LOGIN, tokenFor(600));
  const loginsAt = withClock(cloud);
  assert.is(await loginsAt(0), 1);
  assert.is(await loginsAt(8 * MINUTE_MS - 1), 1);
  assert.is(await loginsAt(8 * MINUTE_MS), 2);
});

test("while Keystone is down the token is used until it expires, with a login attempt every 30 s", async ({
  cloud,
}) => {
  cloud.replyTo(LOGIN, tokenFor(3600), { status: 503 });
  const loginsAt = withClock(cloud);
  await loginsAt(0);
  assert.is(await loginsAt(56 * MINUTE_MS), 2);
  assert.is(await loginsAt(56.5 * MINUTE_MS - 1), 2);
  assert.is(await loginsAt(56.5 * MINUTE_MS), 3);
  await failureOf(loginsAt(60 * MINUTE_MS), CbError);
  // A refused login is not an outage.
  cloud.replyTo(LOGIN, tokenFor(3600), "keystone/token-wrong-password");
  await loginsAt(61 * MINUTE_MS);
  assert.is((await failureOf(loginsAt(117 * MINUTE_MS), CbError)).kind, "config");
});

test("after 401 from a service the token is renewed once, and the call repeated", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/errors/invalid-token", "nova/listings/none");
  assert.equal((await providerWith(cloud).listMachines(never())).machines, []);
  assert.equal([logins(cloud), cloud.requestCounts()[LIST]], [2, 2]);
  cloud.replyTo(LIST, "nova/errors/invalid-token");
  const error = await failureOf(providerWith(cloud).listMachines(never()), CbError);
  assert.match(error.message, "refuses a token that Keystone has just issued");
  assert.equal([logins(cloud), cloud.requestCounts()[LIST]], [4, 4]);
});

test("401 is recognised in the format of each service", async ({ cloud }) => {
  cloud.replyTo("GET /neutron/v2.0/networks", "neutron/invalid-token", "neutron/networks");
  cloud.replyTo("GET /glance/v2/images", "glance/invalid-token", "glance/images-stub");
  await providerWith(cloud).check(never());
  assert.is(logins(cloud), 3);
});

const REFUSED: readonly (readonly [CloudReply | string, RegExp])[] = [
  ["keystone/token-wrong-password", /Keystone refuses the login of user demo, project demo: The request you have made/],
  ["keystone/token-wrong-project", /refuses the login of user demo, project demo/],
  ["keystone/token-application-credential-wrong-secret", /refuses the login/],
  [
    "keystone/token-application-credential-revoked",
    /refuses the login .*: Could not find Application Credential: 23ce/,
  ],
  ["keystone/token-bad-body", /refuses the login .*: Expecting to find password in identity/],
  ["keystone/wrong-address", /no Keystone v3 at auth_url http:.*, it replies with status 300/],
  [{ status: 404, body: "<html>Not Found" }, /no Keystone v3 at auth_url .*, it replies with status 404/],
  [{ status: 302, headers: { location: "https://elsewhere.test" } }, /no Keystone v3 .* it replies with status 302/],
];
for (const [reply, expected] of REFUSED) {
  test(`the reply ${JSON.stringify(reply)} to a login is an error of the configuration`, async ({ cloud }) => {
    cloud.replyTo(LOGIN, reply);
    const provider = providerWith(cloud, { OS_PASSWORD: "my-password" });
    const { kind, message, hint, cause } = await failureOf(provider.check(never()), CbError);
    assert.is(kind, "config");
    assert.match(message, expected);
    assert.match(message, "the OS_* variables: ");
    assert.not.match(`${message} ${hint} ${cause}`, "my-password");
  });
}

test("a login with an application credential names no project", async ({ cloud }) => {
  cloud.replyTo(LOGIN, "keystone/token-application-credential");
  const env = { OS_APPLICATION_CREDENTIAL_ID: "i", OS_APPLICATION_CREDENTIAL_SECRET: "s" };
  await providerWith(cloud, env).listMachines(never());
  const sent = { methods: ["application_credential"], application_credential: { id: "i", secret: "s" } };
  assert.equal(cloud.requests[0]?.body, { auth: { identity: sent } });
});

test("an outage of Keystone is an infrastructure error, not one of the configuration", async ({ cloud }) => {
  for (const reply of [{ status: 503 }, { status: 429 }, "disconnect", "silent", { status: 201, body: {} }] as const) {
    cloud.replyTo(LOGIN, reply);
    const error = await failureOf(providerWith(cloud, {}, { callMs: CALL_MS }).listMachines(never()), CbError);
    assert.is(error.kind, "infrastructure");
    assert.match(error.message, "Keystone");
  }
});

test("a region, interface or service missing in the catalog is named, with the existing ones", async ({ cloud }) => {
  const mistake = async (env: Record<string, string>) => {
    const { kind, message, hint } = await failureOf(providerWith(cloud, env).check(never()), CbError);
    assert.is(kind, "config");
    return `${message}; ${hint}`;
  };
  assert.match(
    await mistake({ OS_REGION_NAME: "RegionTwo" }),
    /there is no region RegionTwo; existing regions: RegionOne/,
  );
  await providerWith(cloud, { OS_REGION_NAME: "RegionOne", OS_INTERFACE: "internal" }).check(never());
  const { status, headers, body } = recorded("keystone/token");
  const compute = body.token.catalog.find(({ type }: { type: string }) => type === "compute");
  const endpoint = compute.endpoints.find((one: { interface: string }) => one.interface === "public");
  const only = (service: object) =>
    cloud.replyTo(LOGIN, { status, headers, body: { token: { ...body.token, catalog: [service] } } });
  only({ ...compute, endpoints: [endpoint, { ...endpoint, region_id: "B", region: "B" }] });
  assert.match(
    await mistake({}),
    /region_name is missing, and the cloud has 2 regions; existing regions: B, RegionOne/,
  );
  only({ ...compute, endpoints: [{ ...endpoint, interface: "internal" }] });
  assert.match(await mistake({}), /the service compute has no public interface; set "interface" to one of internal/);
  only({ ...compute, type: "baremetal" });
  assert.match(await mistake({}), /the catalog has no service of the type compute/);
});

test("calls to nova use the newest microversion that both support, and at least 2.52", async ({ cloud }) => {
  const negotiated = async (newest: string) => {
    const version = { id: "v2.1", version: newest, min_version: "2.1" };
    cloud.replyTo("GET /nova/v2.1/", { status: 200, body: { version } });
    await providerWith(cloud).listMachines(never());
    return cloud.requests.at(-1)?.headers["openstack-api-version"];
  };
  assert.is(await negotiated("2.100"), "compute 2.79");
  assert.is(await negotiated("2.60"), "compute 2.60");
  assert.is(await negotiated("2.52"), "compute 2.52");
  assert.match((await failureOf(negotiated("2.51"), CbError)).message, "up to 2.51, at least 2.52 is required");
  assert.match((await failureOf(negotiated(""), CbError)).message, "does not report its microversions");
});

test("the version document of an endpoint with the project's id is at its root", async ({ cloud }) => {
  const { status, headers, body } = recorded("keystone/token");
  const catalog = JSON.parse(JSON.stringify(body.token.catalog).replaceAll("8774/v2.1", "8774/v2.1/abc"));
  cloud.replyTo(LOGIN, { status, headers, body: { token: { ...body.token, catalog } } });
  cloud.replyTo("GET /nova/v2.1/abc/servers/detail", "nova/listings/none");
  await providerWith(cloud).listMachines(never());
  assert.equal(Object.keys(cloud.requestCounts()), ["GET /nova/v2.1/", "GET /nova/v2.1/abc/servers/detail"]);
});

test("a reply is bounded in time and bytes, and a redirect is not followed", async ({ cloud }) => {
  const messageFor = async (reply: CloudReply, options: SessionOptions = {}) => {
    cloud.replyTo(LIST, reply);
    return (await failureOf(providerWith(cloud, {}, options).listMachines(never()), CbError)).message;
  };
  assert.match(await messageFor("silent", { callMs: CALL_MS }), "none within 1 s");
  const long = { status: 200, body: { servers: ["x".repeat(9_000_000)] } };
  assert.match(await messageFor(long), /longer than 8388608 bytes/);
  assert.match(
    await messageFor({ status: 302, headers: { location: `${cloud.address}/nova/v2.1/` } }),
    "replies with status 302",
  );
});

test("calls use the proxy of HTTP_PROXY", async ({ cloud }) => {
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
  assert.equal(cloud.requests, []);
});

test.run();
