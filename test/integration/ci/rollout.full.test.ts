// timeout: 1800 s
/**
 * Two releases by .gitlab-ci.yml: real packages, installed by deploy-client on this machine, from a fresh clone. While a build of the
 * first release runs, the second one is rolled out. The step of the hosts is that of a site without a cloud, as docs/ci.md shows it.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { commitAll, type PipelineResult, runPipeline } from "../../support/ci/gitlab-ci-local.ts";
import { recipe } from "../../support/recipe/recipes.ts";
import { PROJECT, Stack } from "../../support/stack.ts";

const test = suite("ci rollout");

const NEXT = "9.9.9";
let stack: Stack;
let cwd: string;
let target: string;

test.before(async () => {
  await ensureTools({ need: ["patchelf", "xz", "rsync"], onStep: console.error });
  stack = await Stack.start();
  cwd = stack.path("project");
  target = stack.path("sw");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${PROJECT}`, cwd]);
  writeFileSync(join(cwd, "site.yml"), SITE_FILE);
  commitAll(cwd, "the site");
  writeSettings();
});
test.after(() => stack?.stop());

/** The settings of clients, as `client/` of a site's folder has them. */
function writeSettings(): void {
  const { url, servername, ca } = stack.clientSettings();
  mkdirSync(stack.path("settings"));
  writeFileSync(stack.path("settings/config.yaml"), stringify({ url, servername, ca: "ca.crt" }));
  copyFileSync(ca, stack.path("settings/ca.crt"));
}

const SITE_FILE = `
include: [{ local: .gitlab-ci.yml }]
.clients:
  parallel:
    matrix:
      - { SYSTEM: login, TARGET_FOLDER: $TARGET, ARCH: x86_64 }
package:
  parallel:
    matrix:
      - ARCH: [x86_64]
deploy-queue:
  needs: [package]
  script: [cp -R "$SETTINGS" client-settings]
`;

/** Runs the jobs that a release needs, but for tests and images. */
async function release(version: string): Promise<PipelineResult> {
  const variables = {
    TARGET: target,
    SETTINGS: stack.path("settings"),
    // The packages of npm that this user has already.
    npm_config_cache: execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim(),
  };
  const pipeline = { cwd, stateDir: "../pipeline", home: stack.path("home"), file: "site.yml", variables };
  const jobs = ["package: [x86_64]", "deploy-queue", `deploy-client: [login,${target},x86_64]`];
  mkdirSync(pipeline.home, { recursive: true });
  return runPipeline({ ...pipeline, tag: `v${version}` }, jobs);
}

const current = () => readlinkSync(join(target, "current"));
const ENV = () => ({
  XDG_CONFIG_DIRS: join(target, "current/etc"),
  NATS_CREDS: stack.statePath("client", "user.creds"),
});

test("a tag packages the client and installs it with the settings of the site", async () => {
  const { code, output } = await release(VERSION);
  assert.is(code, 0, output);
  assert.is(current(), `container-builder-${VERSION}`);
  const status = await stack.startOnTerminal(join(target, "current/bin/cb-status"), [], ENV()).finished;
  assert.is(status.code, 0, status.stdout);
});

test("a second tag is rolled out beside a running build, which ends well with the old version", async () => {
  const post = "    trap 'touch /done' WINCH\n    echo it has begun\n    while [ ! -e /done ]; do sleep 1; done";
  const program = join(target, `container-builder-${VERSION}`, "bin/container-builder");
  const build = stack.startOnTerminal(program, [stack.path("one.sif"), recipe(stack, "one", post)], ENV());
  await build.seen(/it has begun/);

  const env = { ...process.env, npm_config_loglevel: "silent" };
  execFileSync("npm", ["version", "--no-git-tag-version", NEXT], { cwd, env, stdio: "ignore" });
  commitAll(cwd, NEXT);
  const { code, output } = await release(NEXT);
  assert.is(code, 0, output);
  assert.is(current(), `container-builder-${NEXT}`);
  const version = (name: string) =>
    execFileSync(join(target, name, "bin/cb-status"), ["--version"], { encoding: "utf8" }).trim();
  assert.is(version("current"), NEXT);
  assert.is(version(`container-builder-${VERSION}`), VERSION);
  const settings = readFileSync(join(target, "current/etc/container-builder/config.yaml"), "utf8");
  assert.is(settings, readFileSync(stack.path("settings/config.yaml"), "utf8"));

  build.resize(80, 24);
  const ended = await build.finished;
  assert.is(ended.code, 0, ended.stdout);
  assert.ok(readdirSync(stack.folder).includes("one.sif"));
  rmSync(stack.path("one.sif"));
});

test.run();
