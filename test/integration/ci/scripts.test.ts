/** The scripts of the jobs in .gitlab-ci.yml: tags that are refused, and variables that are missing. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VERSION } from "../../../lib/core/version.ts";
import { PROJECT } from "../../support/stack.ts";

const test = suite("ci scripts");

function run(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = { cwd: PROJECT, encoding: "utf8", env: { PATH: process.env.PATH, ...env } } as const;
  const { status, stderr } = spawnSync(join(PROJECT, "infra/ci", name), [...args], options);
  return { status, stderr };
}

test("check-tag accepts the version of package.json, a tag for the machines, and no tag", () => {
  for (const tag of [`v${VERSION}`, "openstack", `v${VERSION}-openstack-2`, ""]) {
    assert.equal(run("check-tag", [tag]), { status: 0, stderr: "" }, tag);
  }
  for (const tag of [VERSION, `v${VERSION}0`, `v${VERSION}-rc1`, "release"]) {
    const { status, stderr } = run("check-tag", [tag]);
    assert.is(status, 64);
    assert.match(stderr, `the tag ${tag} is not v${VERSION}`);
  }
});

test("deploy-queue names the variable that is missing or wrong, and begins nothing", () => {
  const unset = run("deploy-queue", []);
  assert.is(unset.status, 78);
  assert.match(unset.stderr, "CB_SITE_FOLDER names no folder of a site on this runner: it is not set");
  const wrong = run("deploy-queue", [], { CB_SITE_FOLDER: "/nonexistent" });
  assert.match(wrong.stderr, "on this runner: /nonexistent");
});

test.run();
