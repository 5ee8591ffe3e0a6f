// alone: it runs test files of its own.
// timeout: 2700 s
/** What keeps strangers out is NATS itself, so every attack is tried on each version that a site may have. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { runCommand } from "../../../infra/tools/setup/run-command.ts";
import { discover } from "../../runner/discover.ts";
import { describeResult } from "../../runner/report.ts";
import { runAll } from "../../runner/run-all.ts";

const test = suite("NATS versions");

const root = new URL("../../..", import.meta.url).pathname;

/** Debian 12's, which is the oldest that is taken; Debian 13's; the newest. */
const RELEASES = { bookworm: "2.9.10", trixie: "2.10", sid: "2.15" };

/** The attacks, and what of NATS the records and objects rest on. */
const PATTERNS = [
  "integration/isolation",
  "integration/hostile",
  "integration/doors",
  "integration/listener",
  "integration/reader-door",
  "integration/flood-of-questions",
  "integration/flood-of-a-build",
  "integration/admin-rights",
  "integration/pool-store",
  "integration/transfer-refusals",
];

for (const [release, version] of Object.entries(RELEASES)) {
  test(`the attacks fail on nats-server ${version}, and what it is needed for works`, async () => {
    const path = await natsServerOf(release, { onStep: console.log });
    const said = (await runCommand([path, "--version"])).output.trim();
    console.log(said);
    assert.ok(said.startsWith(`nats-server: v${version}`), `Debian ${release} has another one by now: ${said}`);
    const files = discover(root, { patterns: PATTERNS, unitOnly: false, openstack: false, slow: false, full: true });
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
