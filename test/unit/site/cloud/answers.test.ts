import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSite } from "../../../../infra/site/answers/read-site.ts";
import { autoHosts } from "../../../../infra/site/answers/site-schema.ts";
import { newSiteYaml, withAddresses } from "../../../../infra/site/answers/site-yaml.ts";
import { planText } from "../../../../infra/site/cloud/plan/action-text.ts";
import { desiredSite, siteImages } from "../../../../infra/site/cloud/plan/desired.ts";
import { ruleText } from "../../../../infra/site/cloud/plan/site-state.ts";
import { queueContent } from "../../../../infra/site/files/queue-files.ts";
import { stepsText } from "../../../../infra/site/files/steps-text.ts";

const test = suite("answers about a cloud");

const BASE = newSiteYaml({ name: "lab", nats: ["n1=10.0.0.5"], queue: ["q1=10.0.0.6"], operator: ["ada"] });
const CLOUD = `cloud:
  cloud: mycloud
  network: site
  clients: [10.0.0.0/8, "2001:db8::/32"]
  ssh: [192.0.2.0/24]
  hosts: { flavor: small, image: { file: /images/host.qcow2, version: "7" } }
  builders:
    image: { file: /images/builder.raw, version: "1.2" }
    flavor: large
    reserve: 5
    max: 20
    pool: { bootTimeoutSeconds: 60 }
    login: /secrets/clouds.yaml
`;
const YAML = `${BASE.slice(0, BASE.indexOf("pools:"))}${CLOUD}`;
const parse = (text: string) => parseSite(text, "site.yaml");
const FACTS = {
  digests: new Map([["/images/host.qcow2", "h7"]]),
  configs: new Map([["n1", "c1"]]),
  subnets: ["10.0.0.0/24", "2001:db8::/64"],
  floating: ["198.51.100.7"],
};

test("the builders of the cloud are a pool of queue.yaml, with the image of their version and the group without a rule", () => {
  const site = parse(YAML);
  const { pools } = queueContent(site, "A", { name: "q1", address: "10.0.0.6" }) as { pools: object[] };
  assert.equal(pools, [
    {
      ...{ name: "cloud", arch: "x86_64", bootTimeoutSeconds: 60, reserve: 5, max: 20 },
      nats: { url: "tls://10.0.0.5:4222", servername: "nats.lab.internal", ca: "/etc/container-builder/tls/ca.crt" },
      provider: {
        ...{ kind: "openstack", cloud: "mycloud", flavor: "large", image: "lab-builder-1.2" },
        ...{ networks: ["site"], securityGroups: ["lab-builders"] },
      },
    },
  ]);
});

test("parseSite() names each mistake in the section cloud with its line", () => {
  const cases: [string, string, RegExp][] = [
    ["reserve: 5", "reserve: 21", /site\.yaml:\d+: cloud\.builders\.reserve: must not be above max/],
    ["pool: { boot", "pool: { bot", /cloud\.builders\.botTimeoutSeconds: is not a setting/],
    ["network: site", "net: site", /cloud\.net: is not a setting/],
    ["10.0.0.0/8", "10.0.0.1/8", /cloud\.clients\.0: must be a prefix such as 10\.0\.0\.0\/8, with zeroes/],
    ["10.0.0.0/8", "10.0.0.0/33", /cloud\.clients\.0: must be a prefix/],
    ["/images/host.qcow2", "host.qcow2", /cloud\.hosts\.image\.file: must be an absolute path/],
    ["/images/host.qcow2", "/images/host.iso", /must end with \.qcow2 or \.raw/],
    ['version: "7"', "version: 7", /cloud\.hosts\.image\.version: must be a text; put it in quotes/],
    ["address: 10.0.0.6", "address: q1.example", /queue\.hosts\.0\.address: must be an IP address in a cloud/],
    ["name: q1\n      address: 10.0.0.6", "name: n1\n      address: 10.0.0.5", /queue\.hosts\.0: is the NATS host n1/],
  ];
  for (const [from, to, message] of cases) {
    assert.ok(YAML.includes(from), from);
    assert.throws(() => parse(YAML.replace(from, to)), message, to);
  }
  const withoutQueue = YAML.replace(/queue:\n {2}hosts:\n.*\n.*\n/, "");
  assert.throws(() => parse(withoutQueue), /cloud: needs queue\.hosts/);
  assert.throws(() => parse(YAML.replace(CLOUD, "")), /pools: /);
});

test("groups let in NATS and ssh for the prefixes, NATS for the site's own machines, and nothing for builders", () => {
  const { groups } = desiredSite(parse(YAML), FACTS);
  assert.equal(
    groups.map(({ name, rules }) => [name, rules.map(ruleText)]),
    [
      ["lab-builders", []],
      [
        "lab-nats",
        [
          ...["tcp 4222 from 10.0.0.0/8", "tcp 4222 from 2001:db8::/32"],
          ...["tcp 4222 from the group lab-queue", "tcp 4222 from the group lab-builders"],
          "tcp 22 from 192.0.2.0/24",
        ],
      ],
      ["lab-queue", ["tcp 22 from 192.0.2.0/24"]],
    ],
  );
  const more = "    - { name: n2, address: 10.0.0.7 }\n    - { name: n3, address: 10.0.0.8 }\n";
  const three = desiredSite(parse(YAML.replace("address: 10.0.0.5\n", `address: 10.0.0.5\n${more}`)), FACTS);
  const nats = three.groups.find(({ name }) => name === "lab-nats");
  assert.ok(nats?.rules.map(ruleText).includes("tcp 6222 from the group lab-nats"));
});

test("a host's address is one of its network, or a floating one; another is refused", () => {
  const floatingOf = (address: string) =>
    desiredSite(parse(YAML.replace("address: 10.0.0.5", `address: "${address}"`)), FACTS).hosts[0]?.isFloating;
  assert.is(floatingOf("10.0.0.255"), false);
  assert.is(floatingOf("198.51.100.7"), true);
  assert.is(floatingOf("2001:db8::5"), false);
  assert.throws(
    () => floatingOf("10.0.1.0"),
    /the address 10\.0\.1\.0 of n1 is not in the network site and no floating/,
  );
});

test("hosts may leave their addresses to the cloud, which withAddresses() writes into the text with its comments", () => {
  const open = YAML.replace("address: 10.0.0.5", "address: auto # any").replace("address: 10.0.0.6", "address: auto");
  assert.equal(
    autoHosts(parse(open)).map(({ name }) => name),
    ["n1", "q1"],
  );
  assert.throws(() => desiredSite(parse(open), FACTS), /the address of n1 is not known yet/);
  const text = withAddresses(open, new Map([["n1", "10.0.0.9"]]));
  assert.match(text, "address: 10.0.0.9 # any");
  assert.equal(
    autoHosts(parse(text)).map(({ name }) => name),
    ["q1"],
  );
});

test("each image has its version in its name, and each host the digest of its configuration", () => {
  const site = parse(YAML);
  assert.equal(siteImages(site), [
    { name: "lab-host-7", file: "/images/host.qcow2" },
    { name: "lab-builder-1.2", file: "/images/builder.raw" },
  ]);
  const { images, hosts } = desiredSite(site, FACTS);
  assert.is(images[0]?.digest, "h7");
  assert.equal(
    hosts.map(({ name, role, image, config }) => [name, role, image, config]),
    [
      ["lab-n1", "nats", "lab-host-7", "c1"],
      ["lab-q1", "queue", "lab-host-7", ""],
    ],
  );
});

test("the steps of a site in a cloud are `site up`, and no copies by ssh", () => {
  const text = stepsText(parse(YAML), []);
  assert.match(text, "2. Make the hosts in the cloud, in this folder:\n\n   cb-admin site up .\n");
  assert.not.match(text, "ssh root@");
});

test("planText() shows refusals, actions, and the hosts that differ", () => {
  const rule = { port: 22, from: { prefix: "10.0.0.0/8" } };
  const actions = [{ kind: "add-rule", name: "lab-nats", rule } as const];
  const outdated = [{ name: "lab-q1", reasons: ["flavor a, not b", "another configuration"] }];
  assert.is(
    planText({ actions, refusals: [], outdated }, "mysite"),
    "Opening the security group lab-nats, tcp 22 from 10.0.0.0/8\n" +
      "not as site.yaml describes it (cb-admin site update mysite):\n" +
      "  lab-q1: flavor a, not b; another configuration\n",
  );
  assert.is(planText({ actions: [], refusals: [], outdated: [] }, "mysite"), "nothing to do\n");
  assert.is(planText({ actions: [], refusals: ["no"], outdated: [] }, "mysite"), "no\n");
});

test.run();
