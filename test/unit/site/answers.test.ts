import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSite } from "../../../infra/site/answers/read-site.ts";
import { changedSiteYaml, newSiteYaml } from "../../../infra/site/answers/site-yaml.ts";

const test = suite("site answers");

const OPTIONS = { name: "lab", nats: ["n1=10.0.0.5"], operator: ["ada"] };
const YAML = newSiteYaml(OPTIONS);
const parse = (text: string) => parseSite(text, "site.yaml");
const three = "    - { name: n2, address: 10.0.0.6 }\n    - { name: n3, address: 10.0.0.7 }\n";

test("newSiteYaml() writes answers that parseSite() accepts, with the defaults", () => {
  const site = parse(YAML);
  assert.is(site.name, "lab");
  assert.is(site.serverName, "nats.lab.internal");
  assert.equal(site.nats.hosts, [{ name: "n1", address: "10.0.0.5", listen: "0.0.0.0" }]);
  assert.equal([site.nats.port, site.nats.routePort, site.nats.storage.size], [4222, 6222, 100 * 1024 ** 3]);
  assert.equal(site.operators, ["ada"]);
  assert.is(site.pools[0]?.provider.kind, "sandbox");
});

test("newSiteYaml() names the option that a new site lacks", () => {
  assert.throws(() => newSiteYaml({ nats: ["n1=a"] }), /needs --name/);
  assert.throws(() => newSiteYaml({ name: "lab" }), /needs --nats/);
  assert.throws(() => newSiteYaml({ name: "lab", nats: ["10.0.0.5"] }), /not HOST=ADDRESS: 10\.0\.0\.5/);
});

test("changedSiteYaml() returns the same text for equal answers, whatever its format", () => {
  const text = `# mine\n${YAML.replace("operators:\n  - ada", "operators: [ada]   # on call")}`;
  assert.is(changedSiteYaml(text, OPTIONS), text);
  assert.is(changedSiteYaml(text, {}), text);
});

test("changedSiteYaml() changes one answer, and keeps comments and the others", () => {
  const changed = changedSiteYaml(YAML, { operator: ["ada", "bob"], port: "4333" });
  assert.equal(parse(changed).operators, ["ada", "bob"]);
  assert.is(parse(changed).nats.port, 4333);
  assert.match(changed, /#registries:/);
  assert.is(changedSiteYaml(changed, { operator: ["ada"] }).includes("bob"), false);
});

test("parseSite() accepts one NATS host or three, and refuses two", () => {
  const hosts = (more: string) => YAML.replace("address: 10.0.0.5\n", `address: 10.0.0.5\n${more}`);
  assert.is(parse(hosts(three)).nats.hosts.length, 3);
  assert.throws(
    () => parse(hosts(`${three.split("\n")[0]}\n`)),
    /site\.yaml:5: nats\.hosts: must be one host or three/,
  );
  assert.throws(() => parse(hosts(three.replace("n3", "n2"))), /two hosts have the same name/);
  assert.throws(() => parse(hosts(three.replace(".7", ".6"))), /two hosts have the same address/);
});

test("parseSite() names each mistake with its line", () => {
  const cases: [string, string, RegExp][] = [
    ["name: lab", "name: Lab_1", /site\.yaml:2: name: must be 1 to 32 of a-z, 0-9 and -/],
    ["serverName: nats.lab.internal", "serverName: 10.0.0.5", /serverName: must be a DNS name in lower case/],
    ["address: 10.0.0.5", "address: a b", /nats\.hosts\.0\.address: must be an IP address or a DNS name/],
    ["size: 100GiB", "size: 100", /nats\.storage\.size: must be a size, such as 100GiB/],
    ["size: 100GiB", "size: 0GiB", /nats\.storage\.size: must be a size/],
    ["size: 100GiB", "size: 1GiB", /nats\.storage\.size: must be at least 2GiB/],
    ["  - ada", "  - Ada Lovelace", /operators\.0: must be 1 to 32/],
    ["    reserve: 2", "    reserve: 5", /site\.yaml:\d+: pools\.0\.reserve: must not be above max/],
    ["    reserve: 2", "    reserved: 5", /pools\.0\.reserved: is not a setting/],
    ["      agentDir: /opt/container-builder/current/agent\n", "", /pools\.0\.provider\.agentDir: is missing/],
    [
      "#registries:\n#  - host: registry.example.org",
      "registries:\n  - host: https://r",
      /registries\.0\.host: must be HOST/,
    ],
    ["name: lab", "name: lab\nquotas: { buildsPerDay: -1 }", /site\.yaml:3: quotas\.buildsPerDay: must be a number/],
    ["name: lab", "name: lab\nlimits: { logMib: 1 }", /site\.yaml:3: limits\.logMib: is not a setting/],
    ["name: lab", "name: lab\nadmins: [a]", /site\.yaml:3: admins: is not a setting/],
  ];
  for (const [from, to, message] of cases) {
    assert.ok(YAML.includes(from), from);
    assert.throws(() => parse(YAML.replace(from, to)), message, to);
  }
});

test("parseSite() refuses a queue host with the name or the address of another NATS host", () => {
  const withQueue = (host: string) => `${YAML}queue: { hosts: [${host}] }\n`;
  assert.is(parse(withQueue("{ name: n1, address: 10.0.0.5 }")).queue?.hosts.length, 1);
  assert.is(parse(withQueue("{ name: q1, address: 10.0.0.9 }")).queue?.hosts.length, 1);
  assert.throws(() => parse(withQueue("{ name: n1, address: 10.0.0.9 }")), /but nats\.hosts has n1 at 10\.0\.0\.5/);
  assert.throws(() => parse(withQueue("{ name: q1, address: 10.0.0.5 }")), /but nats\.hosts has n1 at 10\.0\.0\.5/);
});

test("changedSiteYaml() sets files and version of the images, and describes no builders that the site does not have", () => {
  const options = { hostImage: "/i/host.qcow2", builderImage: "/i/builder.qcow2", imageVersion: "1-7" };
  const hosts = "cloud:\n  hosts:\n    flavor: f # small\n    image: { file: /old, version: 0 }\n";
  const both = changedSiteYaml(`${hosts}  builders:\n    max: 2\n`, options);
  assert.match(both, "flavor: f # small\n    image: { file: /i/host.qcow2, version: 1-7 }");
  assert.match(both, "max: 2\n    image:\n      file: /i/builder.qcow2\n      version: 1-7\n");
  assert.not.match(changedSiteYaml(hosts, options), "builder");
});

test("changedSiteYaml() refuses to change an answer through an alias, and names both", () => {
  const yaml = "cloud:\n  hosts:\n    image: &one { file: /h, version: 0 }\n  builders: { image: *one }\n";
  const change = () => changedSiteYaml(yaml, { builderImage: "/b" });
  assert.throws(change, /cloud\.builders\.image in site\.yaml is an alias, so cloud\.builders\.image\.file cannot/);
});

test.run();
