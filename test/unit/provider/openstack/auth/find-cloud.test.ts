/** Finding the description of a cloud and its login: files in their order, secure.yaml, OS_* variables. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../../lib/core/errors.ts";
import { type CloudChoice, findCloud } from "../../../../../lib/provider/openstack/auth/find-cloud.ts";

const test = suite<{ home: string }>("find cloud");
test.before.each((context) => {
  context.home = mkdtempSync(join(tmpdir(), "cb-clouds-"));
});
test.after.each(({ home }) => rmSync(home, { recursive: true }));

/** clouds.yaml and secure.yaml in the user's folder. */
function write(home: string, clouds: string, secure?: string): void {
  const folder = join(home, ".config", "openstack");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "clouds.yaml"), clouds);
  if (secure !== undefined) writeFileSync(join(folder, "secure.yaml"), secure);
}

function mistake(env: Record<string, string>, choice: CloudChoice = {}): string {
  try {
    findCloud(choice, env);
  } catch (error) {
    assert.instance(error, CbError);
    const { kind, message, hint } = error as CbError;
    assert.is(kind, "config");
    return `${message}; ${hint}`;
  }
  throw new Error("findCloud() did not throw");
}

const LAB = `clouds:
  lab:
    auth: { auth_url: "https://lab.test:5000", username: demo, password: pw, project_name: build,
      user_domain_name: People, project_domain_id: d1 }
    region_name: North
    interface: internal
    verify: false
`;

test("findCloud() reads address, login, region, interface and verify from an entry of clouds.yaml", ({ home }) => {
  write(home, LAB);
  const { login, ...cloud } = findCloud({ cloud: "lab" }, { HOME: home });
  const from = `the cloud lab in ${home}/.config/openstack/clouds.yaml`;
  const rest = { authUrl: "https://lab.test:5000/v3", region: "North", interface: "internal", verify: false };
  assert.equal(cloud, { from, ...rest });
  assert.is(login.label, "user demo, project build");
  const user = { name: "demo", domain: { name: "People" }, password: "pw" };
  assert.equal(login.body(), {
    auth: {
      identity: { methods: ["password"], password: { user } },
      scope: { project: { name: "build", domain: { id: "d1" } } },
    },
  });
});

test("findCloud() reads only the first file: OS_CLIENT_CONFIG_FILE, then ., then ~/.config", ({ home }) => {
  write(home, LAB);
  const named = join(home, "mine.yaml");
  writeFileSync(named, LAB.replace("lab.test", "named.test"));
  const urlOf = (env: Record<string, string>) => findCloud({ cloud: "lab" }, { HOME: home, ...env }).authUrl;
  assert.is(urlOf({ OS_CLIENT_CONFIG_FILE: named }), "https://named.test:5000/v3");
  const back = process.cwd();
  try {
    process.chdir(home);
    assert.is(urlOf({}), "https://lab.test:5000/v3");
    writeFileSync(join(home, "clouds.yaml"), LAB.replace("lab.test", "here.test"));
    assert.is(urlOf({}), "https://here.test:5000/v3");
  } finally {
    process.chdir(back);
  }
  assert.match(mistake({ HOME: home, OS_CLIENT_CONFIG_FILE: "/nowhere.yaml" }), "there is no file /nowhere.yaml");
});

test("findCloud() prefers the named entry, then OS_CLOUD, then the OS_* variables, then the only entry", ({ home }) => {
  write(home, `${LAB}  two: { auth: { auth_url: "https://two.test", username: u, password: p, project_id: x } }\n`);
  const variables = { OS_AUTH_URL: "https://env.test/v3/", OS_USERNAME: "u", OS_PASSWORD: "p", OS_PROJECT_ID: "x" };
  const urlOf = (choice: CloudChoice, env: object) => findCloud(choice, { HOME: home, ...env }).authUrl;
  assert.is(urlOf({ cloud: "lab" }, { OS_CLOUD: "two" }), "https://lab.test:5000/v3");
  assert.is(urlOf({}, { OS_CLOUD: "two", ...variables }), "https://two.test/v3");
  assert.is(urlOf({}, variables), "https://env.test/v3");
  assert.match(mistake({ HOME: home }), /clouds.yaml has 2 clouds, and none of them is chosen; set "cloud".*lab, two/);
  write(home, LAB);
  assert.is(urlOf({}, {}), "https://lab.test:5000/v3");
});

test("findCloud() merges secure.yaml into the entry, key by key", ({ home }) => {
  write(home, LAB.replace(" password: pw,", ""), "clouds: { lab: { auth: { password: apart } } }");
  const { login } = findCloud({}, { HOME: home });
  assert.match(JSON.stringify(login.body()), '"password":"apart"');
  write(home, LAB.replace(" password: pw,", ""), "clouds: { other: { auth: { password: apart } } }");
  assert.match(mistake({ HOME: home }), "password is missing");
});

test("findCloud() accepts an application credential by id, or by name and user", ({ home }) => {
  const entry = (auth: string) =>
    `clouds: { a: { auth: { auth_url: "https://x.test/v3", application_credential_secret: s3, ${auth} } } }`;
  const credentialIn = (auth: string) => {
    write(home, entry(auth));
    return findCloud({}, { HOME: home }).login.body();
  };
  const bodyWith = (credential: object) => ({
    auth: { identity: { methods: ["application_credential"], application_credential: credential } },
  });
  assert.equal(credentialIn("application_credential_id: i"), bodyWith({ id: "i", secret: "s3" }));
  const user = { name: "demo", domain: { id: "default" } };
  const named = credentialIn("application_credential_name: n, username: demo");
  assert.equal(named, bodyWith({ name: "n", user, secret: "s3" }));
  write(home, entry("application_credential_name: n"));
  assert.match(mistake({ HOME: home }), "username is missing");
});

test("findCloud() reads a cloud from the OS_* variables", () => {
  const env = {
    ...{ OS_AUTH_URL: "https://k.test/identity", OS_USERNAME: "u", OS_PASSWORD: "p", OS_TENANT_NAME: "old" },
    ...{ OS_REGION_NAME: "R", OS_ENDPOINT_TYPE: "internalURL", OS_DEFAULT_DOMAIN: "dd", OS_INSECURE: "true" },
    HOME: "/nowhere",
  };
  const { login, ...cloud } = findCloud({}, env);
  const rest = { authUrl: "https://k.test/identity/v3", region: "R", interface: "internal", verify: false };
  assert.equal(cloud, { from: "the OS_* variables", ...rest });
  assert.match(JSON.stringify(login.body()), '"project":{"name":"old","domain":{"id":"dd"}}');
  assert.is(findCloud({ region: "S" }, env).region, "S");
});

const GOOD = {
  ...{ OS_AUTH_URL: "https://k.test", OS_USERNAME: "u", OS_PASSWORD: "p", OS_PROJECT_NAME: "x" },
  HOME: "/nowhere",
};
const WRONG: readonly (readonly [Record<string, string>, RegExp])[] = [
  [{ OS_AUTH_URL: "" }, /no OpenStack cloud is described; write one of .*clouds\.yaml.*, or set OS_AUTH_URL/],
  [{ OS_AUTH_URL: "k.test:5000" }, /the OS_\* variables: auth_url is not an address: k\.test:5000/],
  [{ OS_AUTH_URL: "https://k.test/v2.0" }, /Keystone v2 is not supported/],
  [{ OS_IDENTITY_API_VERSION: "2" }, /Keystone v2 is not supported/],
  [{ OS_USERNAME: "" }, /username is missing/],
  [{ OS_PROJECT_NAME: "" }, /project_name is missing/],
  [{ OS_INTERFACE: "private" }, /there is no interface private; one of public, internal, admin/],
  [{ OS_AUTH_TYPE: "v3oidcpassword" }, /auth_type v3oidcpassword is not supported; use .* application credential/],
  [{ OS_CACERT: "/nowhere/ca.pem" }, /cannot read the CA file \/nowhere\/ca\.pem named in /],
  [{ OS_CLOUD: "lab" }, /the cloud lab is not described/],
];
for (const [change, message] of WRONG) {
  test(`findCloud() names the mistake in ${JSON.stringify(change)}`, () => {
    assert.match(mistake({ ...GOOD, ...change }), message);
  });
}

test("findCloud() names the file of a mistake, and does not quote secrets", ({ home }) => {
  write(home, LAB.replace("password: pw", "password: 12345").replace("verify: false", "verify: maybe"));
  const text = mistake({ HOME: home });
  assert.match(text, /the cloud lab in .*clouds\.yaml: auth\.password must be a text; put it in quotes/);
  assert.match(text, "verify must be true or false");
  assert.not.match(text, "12345");
  write(home, LAB);
  assert.match(mistake({ HOME: home }, { cloud: "lba" }), /there is no cloud lba in .*; it has lab/);
  write(home, "clouds: { a: { profile: vexxhost, auth: { username: u } } }");
  assert.match(mistake({ HOME: home }), "profiles (here vexxhost) are not supported");
  write(home, "clouds: [");
  assert.match(mistake({ HOME: home }), "clouds.yaml:1");
});

test("printing a Cloud does not print its secret", ({ home }) => {
  write(home, LAB.replace("password: pw", "password: hidden"));
  const cloud = findCloud({}, { HOME: home });
  assert.not.match(JSON.stringify(cloud) + inspect(cloud, { depth: 10, showHidden: true }), "hidden");
});

test.run();
