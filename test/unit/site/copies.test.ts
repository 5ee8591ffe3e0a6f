import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSite } from "../../../infra/site/answers/read-site.ts";
import { newSiteYaml } from "../../../infra/site/answers/site-yaml.ts";
import { desiredSite } from "../../../infra/site/cloud/plan/desired.ts";
import { ruleText } from "../../../infra/site/cloud/plan/site-state.ts";
import { copiesFiles } from "../../../infra/site/files/copies-files.ts";
import { queueContent } from "../../../infra/site/files/queue-files.ts";
import { stepsText } from "../../../infra/site/files/steps-text.ts";
import { copySteps } from "../../../infra/site/tree/changes-text.ts";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { registryConfig } from "../../../lib/config/registry-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";

const test = suite("copies of base images at a site");

const NATS = ["n1=10.0.0.5", "n2=10.0.0.6", "n3=10.0.0.7"];
const TWO = 'copies: { registries: [docker.io, { host: "r.example:5001", plainHttp: true }], maxGiB: 50 }';
const yaml = (copies: string, nats = NATS.slice(0, 1), queue = nats.slice(0, 1)): string =>
  `${newSiteYaml({ name: "lab", nats, queue, operator: ["ada"] })}${copies}\n`;
const site = (...answers: Parameters<typeof yaml>) => parseSite(yaml(...answers), "site.yaml");
const ACCOUNT = `A${"B".repeat(55)}`;
const queueOf = (parsed: ReturnType<typeof site>, host = { name: "n1", address: "10.0.0.5" }) =>
  parseYaml(JSON.stringify(queueContent(parsed, ACCOUNT, host)), "queue.yaml", queueConfig);

test("the host gets a registry.yaml that cb-registry accepts, with a port for each registry", () => {
  const [file, ...more] = copiesFiles(site(TWO));
  assert.equal(more, []);
  assert.is(file?.path, "hosts/n1/etc/container-builder/registry.yaml");
  assert.equal([file?.group, file?.mode], ["cb-registry", 0o640]);
  const { folder, maxGiB, registries } = parseYaml(file?.text ?? "", "registry.yaml", registryConfig);
  assert.equal([folder, maxGiB], ["/var/lib/cb-registry", 50]);
  assert.equal(registries, [
    { host: "docker.io", plainHttp: false, listen: "0.0.0.0:5000" },
    { host: "r.example:5001", plainHttp: true, listen: "0.0.0.0:5001" },
  ]);
});

test("a site without the section has no registry.yaml, no mirror and no port", () => {
  const parsed = site("");
  assert.equal(copiesFiles(parsed), []);
  assert.equal(queueOf(parsed).pools[0]?.mirrors, []);
  assert.not.match(stepsText(parsed, []), /docker-registry|copies of base images/);
});

test("sandboxes reach the copies on their own host at its loopback, those on another host at its address", () => {
  const [own] = queueOf(site(TWO)).pools;
  assert.equal(own?.mirrors, [
    { registry: "docker.io", host: "10.0.2.2:5000", plainHttp: true },
    { registry: "r.example:5001", host: "10.0.2.2:5001", plainHttp: true },
  ]);
  assert.equal(own?.provider.kind === "sandbox" && own.provider.allowHostPorts, [
    "10.0.2.2:4222",
    "10.0.2.2:5000",
    "10.0.2.2:5001",
  ]);
  const elsewhere = site("copies: { host: n2, port: 6000 }", NATS, ["q1=10.0.0.9"]);
  const [other] = queueOf(elsewhere, { name: "q1", address: "10.0.0.9" }).pools;
  assert.equal(other?.mirrors, [{ registry: "docker.io", host: "10.0.0.6:6000", plainHttp: true }]);
  assert.is(copiesFiles(elsewhere)[0]?.holder, "n2");
});

test("the mirrors of a pool replace the copies", () => {
  const mirror = { registry: "docker.io", host: "mirror.example", plainHttp: false };
  const text = yaml(TWO).replace("reserve: 2", `reserve: 2\n    mirrors: [${JSON.stringify(mirror)}]`);
  assert.equal(queueOf(parseSite(text, "site.yaml")).pools[0]?.mirrors, [mirror]);
});

test("the steps open the ports for builders, install docker-registry and start cb-registry", () => {
  const parsed = site(TWO);
  const files = copiesFiles(parsed);
  const steps = stepsText(parsed, files);
  assert.match(steps, /builders alone +n1 +5000-5001\/tcp +copies of base images/);
  assert.match(steps, "--group=cb-registry:0 -c registry.yaml | ssh root@10.0.0.5 ");
  assert.match(steps, "disable --now docker-registry && systemctl enable --now cb-registry'");
});

test("the steps after a change start cb-registry for a new registry.yaml, restart it for another one, and stop it for none", () => {
  const parsed = site(TWO);
  const files = copiesFiles(parsed);
  const lastStep = (kind: "new" | "changed" | "removed") =>
    copySteps({ site: parsed, files, changes: files.map(({ path }) => ({ kind, path })) }, "apply").at(-1);
  assert.match(
    lastStep("new") ?? "",
    /^ssh root@10\.0\.0\.5 'apt-get install .* && systemctl enable --now cb-registry'$/,
  );
  assert.is(lastStep("changed"), "ssh root@10.0.0.5 'systemctl restart cb-registry'");
  const remove = "rm -f /etc/container-builder/registry.yaml";
  assert.is(lastStep("removed"), `ssh root@10.0.0.5 'systemctl disable --now cb-registry && ${remove}'`);
});

test("in a cloud the group of the NATS hosts lets the builders alone reach the copies", () => {
  const cloud = `cloud:
  network: site
  clients: [192.0.2.0/24]
  hosts: { flavor: small, image: { file: /images/host.qcow2, version: "7" } }
`;
  const parsed = site(`${TWO}\n${cloud}`, NATS.slice(0, 1), ["q1=10.0.0.9"]);
  const facts = { digests: new Map(), configs: new Map(), subnets: ["10.0.0.0/24"], floating: [] };
  const rules = desiredSite(parsed, facts)
    .groups.find(({ name }) => name === "lab-nats")
    ?.rules.map(ruleText);
  assert.equal(
    rules?.filter((rule) => /500[01]/.test(rule)).map((rule) => rule.includes("lab-builders")),
    [true, true],
  );
});

test("parseSite() names each mistake in the section", () => {
  const cases: [string, RegExp][] = [
    ["copies: { host: n9 }", /copies\.host: is no NATS host: n9; choose one of n1/],
    ["copies: { port: 4221, registries: [docker.io, quay.io] }", /copies\.port: NATS has the port 4222 of this range/],
    ["copies: { port: 80 }", /copies\.port: must be at least 1024/],
    ["copies: { registries: [] }", /copies\.registries: needs at least one registry/],
    ["copies: { registries: [quay.io, quay.io] }", /copies\.registries: two registries are the same/],
    ["copies: { registries: ['https://quay.io'] }", /copies\.registries\.0: must be HOST or HOST:PORT/],
    ["copies: { registries: [{ name: quay.io }] }", /copies\.registries\.0: must be a registry, such as quay\.io/],
    ["copies: { registry: quay.io }", /copies\.registry: is not a setting/],
  ];
  for (const [text, message] of cases) assert.throws(() => site(text), message);
});

test.run();
