// alone: it runs test files of its own.
// timeout: 2700 s
/** NATS itself separates the credentials, so every attack is tried on each nats-server version that a site may have. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { runCommand } from "../../../infra/tools/setup/run-command.ts";
import { discover } from "../../runner/discover.ts";
import { describeResult } from "../../runner/report.ts";
import { runAll } from "../../runner/run-all.ts";

const test = suite("NATS versions");

const root = new URL("../../..", import.meta.url).pathname;

/** The version of Debian 12, the oldest supported one; of Debian 13; and the newest. */
const RELEASES = { bookworm: "2.9.10", trixie: "2.10", sid: "2.15" };

/** The attacks, and the features of NATS that the records and objects depend on. */
const PATTERNS = [
  "security/isolation",
  "security/hostile-messages",
  "security/flood-of-requests",
  "security/flood-of-a-build",
  "security/admin-rights",
  "nats/client-subscriptions",
  "nats/rpc-server",
  "nats/consumer-proxy",
  "nats/record-store",
  "transfer/transfer-refusals",
];

for (const [release, version] of Object.entries(RELEASES)) {
  test(`on nats-server ${version} every attack fails, and records and objects work`, async () => {
    const path = await natsServerOf(release, { onStep: console.log });
    const printed = (await runCommand([path, "--version"])).output.trim();
    console.log(printed);
    assert.ok(printed.startsWith(`nats-server: v${version}`), `Debian ${release} now has another version: ${printed}`);
    const files = discover(root, {
      patterns: PATTERNS,
      unitOnly: false,
      openstack: false,
      deploy: false,
      slow: false,
      full: true,
    });
    for (const pattern of PATTERNS)
      assert.ok(
        files.some(({ path }) => path.includes(pattern)),
        `no file: ${pattern}`,
      );
    const { signal } = new AbortController();
    const onResult = (result: Parameters<typeof describeResult>[0]) => console.log(describeResult(result));
    const results = await runAll(files, {
      root,
      env: { NATS_SERVER: path },
      skipsFail: true,
      signal,
      onResult,
      prefix: [],
    });
    const failed = results.filter(({ verdict }) => verdict.failed > 0).map(({ file }) => file.path);
    assert.equal(failed, []);
    assert.is(results.length, files.length);
  });
}

test.run();
