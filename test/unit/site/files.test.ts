import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { parseSite } from "../../../infra/site/answers/read-site.ts";
import { newSiteYaml } from "../../../infra/site/answers/site-yaml.ts";
import { allFiles } from "../../../infra/site/files/all-files.ts";
import { manifestText, pathsIn } from "../../../infra/site/files/site-file.ts";
import type { SiteKeys } from "../../../infra/site/files/site-keys.ts";
import { stepsText } from "../../../infra/site/files/steps-text.ts";
import { changesOf } from "../../../infra/site/tree/changes.ts";
import { changesDocument } from "../../../infra/site/tree/changes-text.ts";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";

const test = suite("site files");

const pair = { cert: "CERT", key: "KEY" };
const GUEST = `A${"B".repeat(55)}`;
const ONE = ["n1=10.0.0.5"];
const THREE = [...ONE, "n2=10.0.0.6", "n3=node3.example"];

function site(nats: string[], more: object = {}) {
  return parseSite(newSiteYaml({ name: "lab", nats, operator: ["ada"], ...more }), "site.yaml");
}

function files(nats: string[], more: object = {}) {
  const keys: SiteKeys = {
    operatorJwt: "OPERATOR",
    accounts: [{ id: "SYS", jwt: "SYSJWT" }],
    guest: GUEST,
    guestJwt: "GUESTJWT",
    ca: "CA",
    server: pair,
    routeCa: "ROUTECA",
    routes: new Map(nats.length === 1 ? [] : nats.map((host) => [host.split("=")[0] ?? "", pair])),
    queueCreds: "QUEUECREDS",
    backupCreds: "BACKUPCREDS",
    guestSigningSeed: "GUESTSEED",
    sealingKeyPem: "SEALINGKEYPEM",
    sealingKey: "SEALINGKEY",
    operators: new Map([["ada", "ADACREDS"]]),
  };
  return allFiles(site(nats, more), keys);
}

function textOf(list: ReturnType<typeof files>, path: string): string {
  const found = list.find((file) => file.path === path);
  if (found === undefined) throw new Error(`no ${path} among ${list.map((file) => file.path)}`);
  return found.text;
}

const NATS_CONF = "hosts/n1/etc/container-builder/nats-server.conf";
const QUEUE_YAML = "hosts/n1/etc/container-builder/queue.yaml";

test("one host has a server without a cluster, one replica, and everything of the queue", () => {
  const list = files(ONE);
  assert.not.match(textOf(list, NATS_CONF), "cluster");
  const queue = parseYaml(textOf(list, QUEUE_YAML), "queue.yaml", queueConfig);
  assert.is(queue.nats.replicas, 1);
  assert.is(queue.nats.url, "tls://10.0.0.5:4222");
  const [pool] = queue.pools;
  assert.is(pool?.nats.url, "tls://10.0.2.2:4222");
  assert.equal(pool?.provider.kind === "sandbox" && pool.provider.allowHostPorts, ["10.0.2.2:4222"]);
});

test("three hosts have routes to each other, server names of their own, three replicas, and one queue", () => {
  const list = files(THREE);
  const conf = textOf(list, NATS_CONF);
  assert.match(conf, 'routes: ["tls://10.0.0.5:6222", "tls://10.0.0.6:6222", "tls://node3.example:6222"]');
  assert.match(conf, "no_advertise: true");
  assert.match(conf, "verify: true");
  assert.match(conf, 'server_name: "n1"');
  assert.match(textOf(list, NATS_CONF.replace("n1", "n3")), 'server_name: "n3"');
  const queue = parseYaml(textOf(list, QUEUE_YAML), "queue.yaml", queueConfig);
  assert.is(queue.nats.replicas, 3);
  assert.is(queue.nats.url, "tls://10.0.0.5:4222,tls://10.0.0.6:4222,tls://node3.example:4222");
  assert.equal(
    list.filter(({ path }) => path.endsWith("queue.yaml")).map(({ path }) => path),
    [QUEUE_YAML],
  );
});

test("a queue host of its own has the CA, and its sandboxes reach NATS as every other machine", () => {
  const list = files(ONE, { queue: ["q1=10.0.0.9"] });
  const at = (name: string) => `hosts/q1/etc/container-builder/${name}`;
  assert.is(textOf(list, at("tls/ca.crt")), "CA");
  const { pools } = parseYaml(textOf(list, at("queue.yaml")), "queue.yaml", queueConfig);
  assert.is(pools[0]?.nats.url, "tls://10.0.0.5:4222");
  assert.is(
    list.some(({ path }) => path === QUEUE_YAML),
    false,
  );
});

test("a secret is readable for root and its service or its operator alone, and the client has none", () => {
  for (const { path, text, mode, group } of files(THREE)) {
    const isConfiguration = path.startsWith("hosts/") && /\.(conf|yaml)$/.test(path);
    const isSecret =
      ["KEY", "QUEUECREDS", "BACKUPCREDS", "GUESTSEED", "SEALINGKEYPEM", "ADACREDS"].includes(text) || isConfiguration;
    assert.is(mode & 0o007, isSecret ? 0 : 0o004, path);
    if (path.startsWith("client/")) assert.is(isSecret, false, path);
    if (isSecret && path.startsWith("hosts/")) assert.not.equal(group, "root", path);
  }
});

test("the settings of operators and clients name the paths on their machines", () => {
  const list = files(ONE);
  const admin = parse(textOf(list, "operator/ada/admin.yaml"));
  assert.is(admin.creds, "/etc/container-builder/operator.creds");
  assert.is(admin.backupCreds, "/etc/container-builder/backup.creds");
  assert.is(admin.account.operatorKey, "/media/offline/operator.seed");
  const client = parse(textOf(list, "client/etc/xdg/container-builder/config.yaml"));
  assert.equal(client, {
    url: "tls://10.0.0.5:4222",
    servername: "nats.lab.internal",
    ca: "ca.crt",
    account: GUEST,
    sealingKey: "SEALINGKEY",
  });
});

test("max_file is below the stated size, by the part that stays free", () => {
  const maxFile = /max_file: (\d+)/.exec(textOf(files(ONE, { storage: "10GiB" }), NATS_CONF))?.[1];
  assert.is(Number(maxFile), Math.floor(10 * 1024 ** 3 * 0.95));
});

test("stepsText() copies each group of files with its group, and opens the ports of the routes for three hosts only", () => {
  const one = stepsText(site(ONE), files(ONE));
  assert.match(one, "--group=cb-nats:0 -c nats-server.conf tls | ssh root@10.0.0.5 ");
  assert.match(one, "--group=cb-queue:0 -c queue.yaml queue.creds guest-signing.seed sealing.key | ssh root@10.0.0.5 ");
  assert.not.match(one, "6222");
  const three = stepsText(site(THREE), files(THREE));
  assert.match(three, "6222/tcp");
  assert.match(three, "ssh root@node3.example systemctl enable --now cb-nats");
});

test("stepsText() makes the images of builders where they are needed: on the queue hosts, or for the cloud", () => {
  const local = stepsText(site(ONE), files(ONE));
  assert.match(
    local,
    "ssh root@10.0.0.5 '/opt/container-builder/current/bin/cb-admin builder-image rootfs /var/lib/cb-queue/rootfs'",
  );
  assert.match(local, "cb-queue.service.d/sandboxes.conf && systemctl daemon-reload'");
  assert.not.match(local, "builder-image disk");
  const openstack = { kind: "openstack", flavor: "f", image: "i", networks: ["n"] };
  const cloud = stepsText({ ...site(ONE), pools: [{ provider: openstack }] }, files(ONE));
  assert.match(cloud, "cb-admin builder-image disk builder.qcow2");
  assert.not.match(cloud, /sandboxes\.conf|builder-image rootfs/);
});

test("pathsIn() reads the paths that manifestText() wrote", () => {
  const list = files(THREE);
  assert.equal(
    pathsIn(manifestText(list)),
    list.map(({ path }) => path),
  );
  assert.equal(pathsIn(""), []);
});

test("changesOf() finds new, changed and removed files, and modes, and leaves files alone that it did not write", () => {
  const list = files(ONE);
  const present = new Map(list.map(({ path, text, mode }) => [path, { text, mode }]));
  const written = list.map(({ path }) => path);
  assert.equal(changesOf(list, present, written), []);
  present.delete(NATS_CONF);
  present.set(QUEUE_YAML, { text: "", mode: 0o640 });
  const seed = QUEUE_YAML.replace("queue.yaml", "guest-signing.seed");
  present.set(seed, { text: "GUESTSEED", mode: 0o644 });
  present.set("hosts/n2/old", { text: "", mode: 0o644 });
  present.set("hosts/n2/notes", { text: "", mode: 0o644 });
  assert.equal(changesOf(list, present, [...written, "hosts/n2/old"]), [
    { kind: "mode", path: seed },
    { kind: "new", path: NATS_CONF },
    { kind: "changed", path: QUEUE_YAML },
    { kind: "removed", path: "hosts/n2/old" },
  ]);
});

test("changesDocument() has the holder and the place of each changed file, and no content", () => {
  const changes = [
    { kind: "changed", path: NATS_CONF },
    { kind: "removed", path: "hosts/n2/old" },
  ] as const;
  const changed = { folder: "lab", site: site(ONE), files: files(ONE), changes, isNew: false, left: ["eve"] };
  assert.equal(changesDocument(changed), {
    v: 1,
    folder: "lab",
    changes: [
      { kind: "changed", path: NATS_CONF, holder: "n1", target: "/etc/container-builder/nats-server.conf" },
      { kind: "removed", path: "hosts/n2/old" },
    ],
    retiredOperators: ["eve"],
  });
});

test.run();
