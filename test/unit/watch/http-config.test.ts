import { suite } from "uvu";
import * as assert from "uvu/assert";
import { httpConfig } from "../../../lib/config/http-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";
import { isAllowedHost } from "../../../lib/queue/http/allowed-host.ts";

const test = suite("http config");
const parsed = (text: string) => parseYaml(text, "queue.yaml", httpConfig);

test("http.listen accepts an IP address or localhost, with a port from 1 to 65535", () => {
  const listenOf = (text: string) => parsed(`listen: "${text}"`).listen;
  assert.equal(listenOf("127.0.0.1:9464"), { address: "127.0.0.1", port: 9464 });
  assert.equal(listenOf("[::1]:1"), { address: "::1", port: 1 });
  assert.equal(listenOf("localhost:65535"), { address: "127.0.0.1", port: 65_535 });
  assert.equal(listenOf("10.0.0.5:80"), { address: "10.0.0.5", port: 80 });
});

test("http.listen refuses an address that is missing, a name, or without a valid port", () => {
  for (const text of [
    ":9464",
    "9464",
    "127.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "queue.example:9464",
    "256.0.0.1:80",
  ])
    assert.throws(
      () => parsed(`listen: "${text}"`),
      /queue\.yaml:1: listen: must be ADDRESS:PORT with an IP address/,
      text,
    );
  assert.throws(() => parsed("listen: 9464"), /listen: must be ADDRESS:PORT, in quotes/);
  assert.throws(() => parsed("{}"), /listen: is missing/);
  assert.throws(() => parsed('{ listen: "[::1]:1", hosts: ["https://a"] }'), /hosts\.0: must be a host name/);
});

test("isAllowedHost() accepts addresses, localhost and configured names, and no other name (DNS rebinding)", () => {
  for (const host of ["127.0.0.1:9464", "10.0.0.5", "[::1]:9464", "localhost:9464", "LOCALHOST", "status.example:80"])
    assert.ok(isAllowedHost(host, ["status.example"]), host);
  for (const host of [
    undefined,
    "",
    "evil.example",
    "127.0.0.1.evil.example",
    "[evil.example]",
    "localhost:x",
    "a:1:2",
  ])
    assert.not.ok(isAllowedHost(host, ["status.example"]), host);
});

test.run();
