import { suite } from "uvu";
import * as assert from "uvu/assert";
import { registriesConf as confOf } from "../../../agent/registries.ts";
import type { Recipe } from "../../../lib/protocol/build-messages.ts";
import type { Mirror } from "../../../lib/protocol/builder-messages.ts";

const test = suite("registries");

const registriesConf = (recipe: Recipe, plainHttp: readonly string[], mirrors: readonly Mirror[] = []) =>
  confOf(recipe, { plainHttp, mirrors });

const definition = (from: string, buildArgs?: Record<string, string>): Recipe => ({
  backend: "singularity",
  text: `Bootstrap: docker\nFrom: ${from}\n\n%arguments\n  BASE=10.9.9.9:5000/base\n\n%post\n  true\n`,
  ...(buildArgs === undefined ? {} : { buildArgs }),
});
const dockerfile = (from: string): Recipe => ({ backend: "docker", text: `FROM ${from}\nRUN true\n` });

/** `host`, `host insecure`, `host -> mirror`, `host -> mirror insecure`, in the order of the file. */
function entries(conf: string): string[] {
  return conf
    .split("[[registry]]")
    .slice(1)
    .map((entry) => {
      const [host, mirror] = [...entry.matchAll(/location = "(.*)"/g)].map(([, location]) => location);
      const insecure = /insecure = true/.test(entry) ? " insecure" : "";
      return `${host}${mirror === undefined ? "" : ` -> ${mirror}`}${insecure}`;
    });
}

test("registriesConf() makes a named registry an insecure mirror of itself for apptainer, and insecure for buildah", () => {
  const named = ["registry.example.org:5000", "10.0.0.7"];
  const apptainer = registriesConf({ ...definition("debian"), text: "Bootstrap: docker\nFrom: debian\n" }, named);
  assert.equal(
    entries(apptainer),
    named.map((host) => `${host} -> ${host} insecure`),
  );
  assert.equal(
    entries(registriesConf(dockerfile("debian"), named)),
    named.map((host) => `${host} insecure`),
  );
});

test("registriesConf() respells an unnamed private host, so that apptainer requires TLS", () => {
  const unnamed = (from: string, named: string[] = [], args: Record<string, string> = { BASE: "x" }) =>
    entries(registriesConf({ ...definition(from, args), text: `From:${from}\n` }, named));
  assert.equal(unnamed("10.1.2.3:5000/a/b:1"), ["10.1.2.3:5000 -> [::ffff:10.1.2.3]:5000"]);
  assert.equal(unnamed("192.168.1.1/a"), ["192.168.1.1 -> [::ffff:192.168.1.1]"]);
  assert.equal(unnamed("172.16.0.1/a"), ["172.16.0.1 -> [::ffff:172.16.0.1]"]);
  assert.equal(unnamed("172.31.0.1/a"), ["172.31.0.1 -> [::ffff:172.31.0.1]"]);
  assert.equal(unnamed("images.site.local:5000/a@sha256:00"), ["images.site.local:5000 -> images.site.local.:5000"]);
  for (const from of ["172.15.0.1/a", "172.32.0.1/a", "11.0.0.1/a", "images.local.org/a", "debian:10"])
    assert.equal(unnamed(from), [], from);
  assert.equal(unnamed("10.1.2.3:5000/a", ["10.1.2.3:5000"]), ["10.1.2.3:5000 -> 10.1.2.3:5000 insecure"]);
});

test("registriesConf() finds a registry composed of build arguments or their defaults", () => {
  assert.equal(entries(registriesConf(definition("{{ BASE }}:1"), [])), ["10.9.9.9:5000 -> [::ffff:10.9.9.9]:5000"]);
  const given = entries(registriesConf(definition("{{ A }}:50{{B}}/x", { A: "10.8.8.8", B: "00" }), []));
  assert.ok(given.includes("10.8.8.8:5000 -> [::ffff:10.8.8.8]:5000"), given.join());
});

test("registriesConf() requires TLS on the ports of a host named without a port", () => {
  const named = ["registry.example.org"];
  const conf = registriesConf(dockerfile("registry.example.org:5000/a"), named);
  assert.equal(entries(conf), ["registry.example.org insecure", "registry.example.org:5000"]);
  assert.match(conf, 'location = "registry.example.org:5000"\ninsecure = false');
});

const HUB: Mirror = { registry: "docker.io", host: "10.0.2.2:5000", plainHttp: true };

test("registriesConf() names the mirror of a registry, for apptainer in place of all other entries", () => {
  const own: Mirror = { registry: "10.9.9.9:5000", host: "mirror.local:5001", plainHttp: false };
  const named = ["10.9.9.9:5000"];
  const apptainer = registriesConf(definition("{{ BASE }}:1"), named, [HUB, own]);
  assert.equal(entries(apptainer), ["10.9.9.9:5000 -> mirror.local.:5001", "docker.io -> 10.0.2.2:5000 insecure"]);
  const buildah = registriesConf(dockerfile("10.9.9.9:5000/a"), named, [HUB, own]);
  assert.match(
    buildah,
    [
      "[[registry]]",
      'location = "10.9.9.9:5000"',
      "insecure = true",
      "[[registry.mirror]]",
      'location = "mirror.local:5001"',
      "insecure = false",
    ].join("\n"),
  );
  assert.match(
    buildah,
    'location = "docker.io"\ninsecure = false\n[[registry.mirror]]\nlocation = "10.0.2.2:5000"\ninsecure = true',
  );
});

test.run();
