import { machine } from "node:os";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";

const test = suite("queue config");

const BASE = `installation: test
nats: { url: "tls://nats.test:4222", creds: /creds }
issuer: { account: A${"B".repeat(55)}, signingKey: /key }
pools:
  - name: local
    max: 1
    nats: { url: "tls://10.0.2.2:4222" }
    provider: { kind: sandbox, stateDir: /s, rootfs: /r, agentDir: /a, allowHostPorts: [] }
registries:
`;
const registries = (text: string) => parseYaml(BASE + text, "queue.yaml", queueConfig).registries;

test("queueConfig accepts registries, and has none by default", () => {
  assert.equal(parseYaml(BASE.replace("registries:", ""), "queue.yaml", queueConfig).registries, []);
  assert.equal(registries("  - host: reg.example:5000\n"), [
    { host: "reg.example:5000", plainHttp: false, loginForBuilds: false },
  ]);
  const login = {
    host: "[::1]:5000",
    plainHttp: true,
    username: "site",
    passwordFile: "/secret",
    loginForBuilds: true,
  };
  assert.equal(registries(`  - ${JSON.stringify(login)}\n`), [login]);
});

test("queueConfig names each mistake of a registry with its line", () => {
  const cases: [string, RegExp][] = [
    ["  - host: https://reg.example\n", /queue\.yaml:10: registries\.0\.host: must be HOST or HOST:PORT/],
    ["  - host: reg.example/olcf\n", /registries\.0\.host: must be HOST or HOST:PORT/],
    ["  - host: reg.example:99999\n", /registries\.0\.host: is not an address/],
    [
      "  - host: a\n  - { host: b, username: u }\n",
      /queue\.yaml:11: registries\.1: username and passwordFile must be set together/,
    ],
    ["  - { host: a, username: u, password: p }\n", /registries\.0\.password: is not a setting/],
    [
      "  - { host: a, username: 'u:v', passwordFile: /p }\n",
      /registries\.0\.username: must not be empty or contain a colon/,
    ],
    ["  - { host: a, loginForBuilds: true }\n", /registries\.0: loginForBuilds needs a login/],
    ["  - host: a\n  - host: a\n", /two registries have the same host/],
  ];
  for (const [text, message] of cases) assert.throws(() => registries(text), message, text);
});

test("queueConfig takes mirrors of a pool, none by default, and refuses one that its sandboxes cannot reach", () => {
  const withMirrors = (text: string, allowed = "") => {
    const yaml = BASE.replace("registries:\n", "").replace("    max: 1\n", `    max: 1\n    mirrors: ${text}\n`);
    return parseYaml(yaml.replace("Ports: []", `Ports: [${allowed}]`), "queue.yaml", queueConfig).pools[0]?.mirrors;
  };
  assert.equal(withMirrors("[]"), []);
  const far = '{ registry: quay.io, host: "mirror.example:5000" }';
  const near = '{ registry: docker.io, host: "10.0.2.2:5000", plainHttp: true }';
  assert.equal(withMirrors(`[${far}, ${near}]`, '"10.0.2.2:5000"'), [
    { registry: "quay.io", host: "mirror.example:5000", plainHttp: false },
    { registry: "docker.io", host: "10.0.2.2:5000", plainHttp: true },
  ]);
  assert.throws(() => withMirrors(`[${near}]`, '"10.0.2.2:4222"'), /pools\.0\.mirrors: .*allowHostPorts/);
  assert.throws(() => withMirrors(`[${far}, ${far}]`), /pools\.0\.mirrors: two mirrors are of the same registry/);
  assert.throws(() => withMirrors("[{ registry: a, host: https://b }]"), /mirrors\.0\.host: must be HOST or HOST:PORT/);
});

test("queueConfig takes a registry of layers of a pool, and refuses one that its sandboxes cannot reach", () => {
  const withLayers = (text: string, allowed = "") => {
    const yaml = BASE.replace("registries:\n", "").replace("    max: 1\n", `    max: 1\n    layers: ${text}\n`);
    return parseYaml(yaml.replace("Ports: []", `Ports: [${allowed}]`), "queue.yaml", queueConfig).pools[0]?.layers;
  };
  assert.equal(withLayers('{ host: "far.example:5010" }'), { host: "far.example:5010", plainHttp: false });
  const near = '{ host: "10.0.2.2:5010", plainHttp: true }';
  assert.equal(withLayers(near, '"10.0.2.2:5010"'), { host: "10.0.2.2:5010", plainHttp: true });
  assert.throws(() => withLayers(near, '"10.0.2.2:4222"'), /pools\.0\.layers: .*allowHostPorts/);
  assert.throws(() => withLayers("{ host: https://b }"), /layers\.host: must be HOST or HOST:PORT/);
});

test("queueConfig takes quotas for all users and for one, none by default, and names a wrong one", () => {
  const quotas = (text: string) =>
    parseYaml(`${BASE}quotas: ${text}\n`.replace("registries:\n", ""), "queue.yaml", queueConfig).quotas;
  assert.equal(quotas("{}"), { users: {} });
  const users = { ci: { buildsPerDay: undefined }, ada: { builderHoursPerMonth: 1.5 } };
  assert.equal(
    quotas("{ buildsPerDay: 20, users: { ci: { buildsPerDay: unlimited }, ada: { builderHoursPerMonth: 1.5 } } }"),
    {
      buildsPerDay: 20,
      users,
    },
  );
  assert.throws(() => quotas("{ buildsPerDay: -1 }"), /quotas\.buildsPerDay: must be a number from 0 on, or unlimited/);
  assert.throws(
    () => quotas("{ buildsPerDay: some }"),
    /quotas\.buildsPerDay: must be a number from 0 on, or unlimited/,
  );
  assert.throws(() => quotas("{ buildsPerDay: 1.5 }"), /quotas\.buildsPerDay: must be a whole number/);
  assert.throws(() => quotas("{ users: { Ada: {} } }"), /not a user name/);
  assert.throws(() => quotas("{ buildPerDay: 1 }"), /quotas\.buildPerDay: is not a setting/);
});

test("queueConfig without limits has the defaults of docs/reliability.md", () => {
  const [gib, minuteMs, hourMs] = [1024 ** 3, 60_000, 3_600_000];
  const { limits, logLevel, nats, pools } = parseYaml(BASE.replace("registries:", ""), "queue.yaml", queueConfig);
  assert.equal(limits, {
    buildMs: 6 * hourMs,
    waitMs: 24 * hourMs,
    logBytes: 1 * gib,
    contextBytes: 4 * gib,
    contextMs: 5 * minuteMs,
    imageBytes: 32 * gib,
    imageKeptMs: 24 * hourMs,
    recordKeptMs: 7 * 24 * hourMs,
    leasedPerUser: 4,
    waitingPerUser: 100,
  });
  assert.equal([logLevel, nats.replicas], ["info", 1]);
  const [{ arch, reserve, bootTimeoutSeconds, maxReadySeconds, provider } = {}] = pools;
  assert.equal([arch, reserve, bootTimeoutSeconds, maxReadySeconds], [machine(), 2, 300, 24 * 3600]);
  assert.equal((provider as { allowWeak?: unknown }).allowWeak, []);
});

test("queueConfig by default gives a machine two cores, 2 GiB of memory and 20 GiB of disk", () => {
  const given = { kind: "qemu", stateDir: "/s", rootfs: "/r", disk: "/d", allowHostPorts: [] };
  const text = BASE.replace(/provider: .*/, `provider: ${JSON.stringify(given)}`).replace("registries:", "");
  const defaults = { cores: 2, memoryMiB: 2048, diskGiB: 20, acceleration: "auto", allowWeak: [] };
  assert.equal(parseYaml(text, "queue.yaml", queueConfig).pools[0]?.provider, { ...given, ...defaults });
});

const onOpenStack = (settings: string) => {
  const provider = `provider: { kind: openstack, flavor: f, image: i, networks: [n]${settings} }`;
  const text = BASE.replace(/provider: .*/, provider).replace("registries:", "");
  return parseYaml(text, "queue.yaml", queueConfig).pools[0]?.provider;
};

test("queueConfig accepts an OpenStack pool, and refuses secrets in it", () => {
  const minimal = { kind: "openstack", flavor: "f", image: "i", networks: ["n"] };
  assert.equal(onOpenStack(""), minimal);
  const optional = {
    cloud: "c",
    region: "r",
    keyName: "k",
    securityGroups: ["s"],
    availabilityZone: "z",
    serverGroup: "g",
  };
  assert.equal(onOpenStack(`, ${JSON.stringify(optional).slice(1, -1)}`), { ...minimal, ...optional });
  assert.throws(() => onOpenStack(", password: p"), /queue\.yaml:8: pools\.0\.provider\.password: is not a setting/);
  assert.throws(() => onOpenStack(", keyName: 1"), /provider\.keyName: must be a name or an id, in quotes/);
  assert.throws(() => onOpenStack(", securityGroups: []"), /provider\.securityGroups: /);
});

test("queueConfig refuses an unknown kind of provider", () => {
  const text = BASE.replace("kind: sandbox", "kind: vmware").replace("registries:", "");
  assert.throws(() => parseYaml(text, "queue.yaml", queueConfig), /pools\.0\.provider\.kind: kind must be /);
});

test.run();
