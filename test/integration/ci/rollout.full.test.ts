// timeout: 1800 s
/**
 * Two releases by .gitlab-ci.yml: real packages, installed by deploy-client on this machine, from a fresh clone. While a build of the
 * first release runs, the second one is rolled out. The step of the hosts is that of a site without a cloud, as docs/release/ci.md shows it.
 */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { commitAll, type PipelineResult, runPipeline } from "../../support/ci/gitlab-ci-local.ts";
import { recipe } from "../../support/recipe/recipes.ts";
import { takeCloudPool } from "../../support/site/site-host.ts";
import { PROJECT, Stack } from "../../support/stack.ts";

const test = suite("ci rollout");

const NEXT = "9.9.9";
const NAME = `rollout-${process.pid}`;
let stack: Stack;
let cwd: string;
let target: string;

test.before(async () => {
  await ensureTools({ need: ["patchelf", "xz", "rsync"], onStep: console.error });
  stack = await Stack.start();
  cwd = stack.path("project");
  target = stack.path("sw");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${PROJECT}`, cwd]);
  // gitlab-ci-local takes the project's name from it.
  execFileSync("git", ["-C", cwd, "remote", "set-url", "origin", `git@gitlab.example.org:test/${NAME}.git`]);
  writeFileSync(join(cwd, "site.yml"), SITE_FILE);
  commitAll(cwd, "the site");
  writeSettings();
});
test.after(async () => {
  // gitlab-ci-local leaves the files of variables readable for all.
  const left = readdirSync("/tmp").filter(
    (name) => /^gitlab-ci-local-file-variables-/.test(name) && name.includes(NAME),
  );
  for (const name of left) rmSync(join("/tmp", name), { recursive: true });
  await stack?.stop();
});

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
deploy-hosts:
  extends: deploy-queue
  script:
    - mkdir images && touch images/host.qcow2 images/builder.qcow2
    - infra/ci/deploy-queue
`;

/** Runs jobs of a tag, by default those that a release needs, but for tests and images. */
async function release(version: string, jobs = RELEASE, prefix: readonly string[] = []): Promise<PipelineResult> {
  const variables = {
    TARGET: target,
    SETTINGS: stack.path("settings"),
    // The packages of npm that this user has already.
    npm_config_cache: execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim(),
  };
  const pipeline = { cwd, stateDir: "../pipeline", home: stack.path("home"), file: "site.yml", variables, prefix };
  mkdirSync(pipeline.home, { recursive: true });
  return runPipeline({ ...pipeline, tag: `v${version}` }, jobs);
}

const RELEASE = ["package: [x86_64]", "deploy-queue", "deploy-client: [login,$TARGET,x86_64]"];

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

/** Stands for each secret of clouds.yaml. Random, because the pipeline copies this file too. */
const PLANTED = `planted-${randomBytes(12).toString("hex")}`;

/** The project's settings in GitLab: gitlab-ci-local reads them below the state folder, relative to the home. */
const VARIABLES = "pipeline/variables.yml";

/** The site's folder and clouds.yaml. The cloud does not answer: port 9 is "discard". */
async function plantSecrets(): Promise<string[]> {
  const site = stack.path("site");
  const named = ["--name", "lab", "--nats", "n1=127.0.0.1", "--queue", "q1=127.0.0.2", "--operator", "ada"];
  assert.is((await stack.run("cb-admin", ["site", "init", site, ...named])).code, 0);
  takeCloudPool(site, {});
  appendFileSync(join(site, "site.yaml"), stringify({ cloud: CLOUD }));
  const auth = {
    auth_url: "http://127.0.0.1:9/v3",
    application_credential_id: "id",
    application_credential_secret: PLANTED,
  };
  const clouds = stringify({ clouds: { mycloud: { auth_type: "v3applicationcredential", auth } } });
  const global = {
    // Without a type, gitlab-ci-local takes a path for a file.
    CB_SITE_FOLDER: { type: "variable", values: { "*": site } },
    OS_CLIENT_CONFIG_FILE: { type: "file", values: { "*": clouds } },
    CI_PIPELINE_IID: "7",
  };
  writeFileSync(stack.path(VARIABLES), stringify({ global }));
  const seeds = ["offline/operator.seed", "offline/core.seed", "installation/keys/guest-signing.seed"];
  const secrets = seeds.map((name) => readFileSync(join(site, name), "utf8").trim());
  const creds = readFileSync(join(site, "installation/creds/queue.creds"), "utf8");
  return [PLANTED, ...secrets, parseCreds(creds, "it").key.seed()];
}

const CLOUD = {
  cloud: "mycloud",
  network: "site",
  clients: ["10.0.0.0/8"],
  hosts: { flavor: "f", image: { file: "/images/host.qcow2", version: "0" } },
};

test("no secret of the site is in a log, an artifact, a command line or the environment of a program", async () => {
  await ensureTools({ need: ["strace"], onStep: console.error });
  const secrets = await plantSecrets();
  const trace = stack.path("trace");
  // -v: with the whole environment of each program.
  const strace = ["strace", "-f", "-qq", "-v", "-s", "1000000", "-e", "trace=execve", "-o", trace];
  const { code, output } = await release(NEXT, ["deploy-hosts"], strace);
  // The cloud does not answer.
  assert.is.not(code, 0);
  const started = readFileSync(trace, "utf8");
  assert.ok(/execve\("[^"]*\/node", \[(?:"[^"]*", )+"[^"]*\/cb-admin", "site", "init"/.test(started), output);
  const files = filesBelow(stack.path("pipeline")).filter((path) => path !== stack.path(VARIABLES));
  assert.ok(files.length > 10);
  for (const secret of secrets) {
    assert.not.match(output, secret);
    for (const path of [trace, ...files]) assert.not.ok(readFileSync(path).includes(secret), `a secret is in ${path}`);
  }
});

/** The state of gitlab-ci-local: artifacts, logs and copies of the project. Without npm's packages. */
function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const own = entries.filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"));
  return own.map((entry) => join(entry.parentPath, entry.name));
}

test.run();
