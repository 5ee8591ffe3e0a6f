import { suite } from "uvu";
import * as assert from "uvu/assert";
import { registryConfig } from "../../../lib/config/registry-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";

const test = suite("registry-config");

const KEY = `A${"B".repeat(55)}`;
const read = (...lines: string[]) => parseYaml(["folder: /f", ...lines].join("\n"), undefined, registryConfig);

test("registryConfig takes copies, layers, or both, with the defaults of layers", () => {
  assert.equal(read(`layers: { listen: "0.0.0.0:5010", key: ${KEY} }`).layers, {
    listen: "0.0.0.0:5010",
    key: KEY,
    maxBytes: 50 * 1024 ** 3,
    userMaxBytes: 5 * 1024 ** 3,
  });
  assert.is(read('registries: [{ host: docker.io, listen: "127.0.0.1:1" }]').layers, undefined);
  assert.throws(() => read(), /needs at least one registry, or layers/);
});

test("registryConfig names each mistake of layers", () => {
  const layers = (text: string) => () => read(`layers: { listen: "127.0.0.1:1", key: ${KEY}${text} }`);
  assert.throws(layers(", userGiB: 60"), /layers: userGiB is above maxGiB: lower it, or raise maxGiB/);
  assert.throws(layers(", tls: { certificate: a, key: /b }"), /layers\.tls\.certificate: must be an absolute path/);
  assert.throws(() => read('layers: { listen: "127.0.0.1:1", key: SA }'), /layers\.key: must be the public key/);
  assert.throws(
    () => read(`layers: { listen: "localhost:1", key: ${KEY} }`),
    /layers\.listen: must be ADDRESS:PORT, e\.g\. 127\.0\.0\.1:5000/,
  );
  assert.throws(
    () => read('registries: [{ host: a, listen: "127.0.0.1:1" }]', `layers: { listen: "127.0.0.1:1", key: ${KEY} }`),
    /two registries listen on the same address/,
  );
});

test.run();
