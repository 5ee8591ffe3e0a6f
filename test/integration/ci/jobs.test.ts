/** The jobs of .gitlab-ci.yml, as gitlab-ci-local reads it with GitLab's schema: valid, and the right ones for each branch and tag. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commitAll, runPipeline } from "../../support/ci/gitlab-ci-local.ts";
import { PROJECT } from "../../support/stack.ts";

const test = suite("ci jobs");

const folder = mkdtempSync(join(tmpdir(), "cb-ci-"));
const cwd = join(folder, "project");
test.after(() => rmSync(folder, { recursive: true, force: true }));

test.before(() => {
  execFileSync("git", ["init", "--quiet", cwd]);
  cpSync(join(PROJECT, ".gitlab-ci.yml"), join(cwd, ".gitlab-ci.yml"));
  commitAll(cwd, "one");
});

/** The jobs in their order, each with the jobs of which it takes the artifacts over. */
async function jobsOf(tag: string | undefined, file = ".gitlab-ci.yml"): Promise<Map<string, string>> {
  const pipeline = { cwd, stateDir: `../state-${tag}-${file}`, home: folder, file };
  const { code, output } = await runPipeline({ ...pipeline, ...(tag === undefined ? {} : { tag }) }, ["--list-csv"]);
  assert.is(code, 0, output);
  assert.match(output, "json schema validated");
  const rows = output.split("\n").map((line) => line.split(";"));
  const first = rows.findIndex(([name]) => name === "name") + 1;
  return new Map(
    rows.slice(first).flatMap(([name = "", , when, , , needs = ""]) => (when === "on_success" ? [[name, needs]] : [])),
  );
}

const MACHINES = ["check", "test", "package: [x86_64]", "package: [aarch64]", "machine-images", "deploy-queue"];

test("a branch is checked and tested, a tag is deployed, and a tag with openstack in it installs no client", async () => {
  const [branch, release, machines] = await Promise.all(
    [undefined, "v1.2.3", "v1.2.3-openstack"].map((tag) => jobsOf(tag)),
  );
  assert.equal([...(branch?.keys() ?? [])], ["check", "test"]);
  assert.equal([...(release?.keys() ?? [])], [...MACHINES, "deploy-client: [login,/sw/container-builder,x86_64]"]);
  assert.equal([...(machines?.keys() ?? [])], MACHINES);
  assert.is(release?.get("deploy-queue"), "[package,machine-images]");
});

test("a site's own file, as docs/release/ci.md shows it, replaces the systems of the clients and the step of the hosts", async () => {
  writeFileSync(join(cwd, "site.yml"), SITE_FILE);
  const jobs = await jobsOf("v1.2.3", "site.yml");
  assert.equal([...jobs.keys()].slice(-3), [
    "deploy-queue",
    "deploy-client: [titan,/sw/titan/container-builder,x86_64]",
    "deploy-client: [summit,/sw/summit/container-builder,aarch64]",
  ]);
  assert.is(jobs.get("deploy-queue"), "[package]");
  assert.not.ok(jobs.has("machine-images"));
});

/** The examples of docs/release/ci.md. */
const SITE_FILE = [...readFileSync(join(PROJECT, "docs/release/ci.md"), "utf8").matchAll(/^```yaml\n([^`]+)^```/gm)]
  .map(([, text]) => text)
  .join("");

test.run();
