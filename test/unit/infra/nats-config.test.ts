import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAtLeast } from "../../../infra/nats/launch.ts";
import { serverConfig } from "../../../infra/nats/server-config.ts";

const test = suite("nats config");

test("isAtLeast() reads the version of nats-server", () => {
  const texts = ["nats-server: v2.9.10", "nats-server: v2.10.27", "nats-server: v2.15.1", "nats-server: v3.0.0", "?"];
  assert.equal(
    texts.map((text) => isAtLeast(text, 2, 10)),
    [false, true, true, true, false],
  );
});

test("serverConfig() sets sync_interval only for a server that knows it", () => {
  const config = { serverName: "s", host: "h", port: 1, dataDir: "/d", operatorJwt: "j", accounts: [], tags: [] };
  const files = { certFile: "/c", keyFile: "/k", maxFileBytes: 1, pingIntervalMs: 1000 };
  assert.match(serverConfig({ ...config, ...files, hasSyncInterval: true }), /^ {2}sync_interval: "10s"$/m);
  assert.not.match(serverConfig({ ...config, ...files, hasSyncInterval: false }), "sync_interval");
});

test.run();
