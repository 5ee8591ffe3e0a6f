/** The jobs of .gitlab-ci.yml, as gitlab-ci-local reads it with GitLab's schema: valid, and the right ones for each branch and tag. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

test("a site's own file replaces the systems of the clients, and the step of the hosts", async () => {
  writeFileSync(join(cwd, "site.yml"), SITE_FILE);
  const jobs = await jobsOf("v1.2.3", "site.yml");
  assert.equal([...jobs.keys()].slice(-2), [
    "deploy-client: [titan,/sw/titan/cb,x86_64]",
    "deploy-client: [summit,/sw/summit/cb,aarch64]",
  ]);
  assert.is(jobs.get("deploy-queue"), "[package]");
});

const SITE_FILE = `
include: [{ local: .gitlab-ci.yml }]
.clients:
  parallel:
    matrix:
      - { SYSTEM: titan, TARGET_FOLDER: /sw/titan/cb, ARCH: x86_64 }
      - { SYSTEM: summit, TARGET_FOLDER: /sw/summit/cb, ARCH: aarch64 }
deploy-queue:
  needs: [package]
  script: [cp -R settings client-settings]
`;

test.run();
