/**
 * A site that .gitlab-ci.yml deploys to the testbed with real machines: the folder of the site on the runner, a clone of the project,
 * and a folder with the clients of all versions.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { commitAll, type PipelineResult, runPipeline } from "../ci/gitlab-ci-local.ts";
import { runIn } from "../site/site-host.ts";
import { type Finished, PROJECT, Stack } from "../stack.ts";
import { OpenStackApi } from "./openstack-api.ts";
import { OpenStackProxy } from "./openstack-proxy.ts";

export const SITE = "lab";
const OPERATOR = "ada";
/** This machine, as the machines of the testbed reach it. */
const BRIDGE = "10.77.0.1";
const HOST_FLAVOR = "host.1c1g";
const BUILDER_FLAVOR = "builder.2c2g";
/** For an emulated machine, on cores that also run other work. */
const BOOT_LIMIT_S = 900;
/** gitlab-ci-local reads the project's settings there, below the state folder, relative to the home. */
const PIPELINE = "pipeline";

/** A part of the versions of the images. */
export const PIPELINE_ID = "7";

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
`;

export class Deployment {
  readonly stack = Stack.unstarted();
  readonly demo: OpenStackApi;
  readonly #proxy: OpenStackProxy;
  readonly #project: string;

  /** Makes the folder of the site and the clone. Nothing of the site is in the cloud yet. */
  static async make(): Promise<Deployment> {
    const [demo, admin] = await Promise.all([OpenStackApi.login("demo"), OpenStackApi.login("admin")]);
    await admin.createFlavor(HOST_FLAVOR, { vcpus: 1, ram: 1024, disk: 3 });
    await admin.createFlavor(BUILDER_FLAVOR, { vcpus: 2, ram: 2048, disk: 2 });
    const deployment = new Deployment(demo, await OpenStackProxy.start(BRIDGE));
    try {
      await deployment.#writeClouds();
      await deployment.#writeSite();
      deployment.#cloneProject();
      return deployment;
    } catch (error) {
      await deployment.stop();
      throw error;
    }
  }

  private constructor(demo: OpenStackApi, proxy: OpenStackProxy) {
    this.demo = demo;
    this.#proxy = proxy;
    this.#project = `deployment-${process.pid}`;
  }

  get folder(): string {
    return this.stack.path("site");
  }

  /** The folder of all versions of the client. */
  get clients(): string {
    return this.stack.path("sw");
  }

  /** Runs the jobs of a release, but for `check` and `test`. The first ones need the network of this machine, the others the testbed's. */
  async release(version: string): Promise<PipelineResult> {
    const tag = `v${version}`;
    const made = await this.#run(tag, ["package: [x86_64]", "machine-images"], outside());
    if (made.code !== 0) return made;
    return await this.#run(tag, ["deploy-queue", "deploy-client: [login,$TARGET,x86_64]"], []);
  }

  #run(tag: string, jobs: readonly string[], prefix: readonly string[]): Promise<PipelineResult> {
    const cache = execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim();
    const variables = { TARGET: this.clients, npm_config_cache: cache };
    const places = { cwd: this.stack.path("project"), stateDir: `../${PIPELINE}`, home: this.stack.path("home") };
    return runPipeline({ ...places, file: "site.yml", variables, prefix, tag }, jobs);
  }

  /** Gives the clone another version. */
  setVersion(version: string): void {
    const cwd = this.stack.path("project");
    const env = { ...process.env, npm_config_loglevel: "silent" };
    execFileSync("npm", ["version", "--no-git-tag-version", version], { cwd, env, stdio: "ignore" });
    commitAll(cwd, version);
  }

  /** Runs `cb-admin site VERB FOLDER`. */
  site(verb: string, ...options: readonly string[]): Promise<Finished> {
    const env = { OS_CLIENT_CONFIG_FILE: this.stack.path("clouds.yaml") };
    return this.stack.run("cb-admin", ["site", verb, this.folder, ...options], { env });
  }

  /** Runs cb-admin as the operator, with the operator's files in /etc/container-builder. Rejects when it fails. */
  async admin(...args: readonly string[]): Promise<string> {
    const host = { etc: join(this.folder, "operator", OPERATOR), varLib: this.stack.path("operator") };
    return (await runIn(host, "cb-admin", args)).stdout;
  }

  async stop(): Promise<void> {
    await this.#proxy.stop();
    // gitlab-ci-local leaves the files of variables readable for all.
    const isOurs = (name: string): boolean =>
      name.startsWith("gitlab-ci-local-file-variables-") && name.includes(this.#project);
    for (const name of readdirSync("/tmp").filter(isOurs)) rmSync(join("/tmp", name), { recursive: true });
    await this.stack.stop();
  }

  /** One login for the runner, and one for cb-queue, which reaches the services through the bridge. */
  async #writeClouds(): Promise<void> {
    const { id, secret } = await this.demo.createApplicationCredential(SITE);
    const login = { application_credential_id: id, application_credential_secret: secret };
    const entry = (authUrl: string) => ({
      clouds: {
        here: {
          ...{ auth_type: "v3applicationcredential", region_name: "RegionOne" },
          auth: { auth_url: authUrl, ...login },
        },
      },
    });
    await writeSecretFile(this.stack.path("clouds.yaml"), stringify(entry("http://127.0.0.1:5000/v3")));
    await writeSecretFile(this.stack.path("queue-clouds.yaml"), stringify(entry(this.#proxy.authUrl)));
  }

  async #writeSite(): Promise<void> {
    const hosts = ["--nats", "n1=auto", "--queue", "q1=auto", "--storage", "2GiB"];
    const made = await this.site("init", "--name", SITE, ...hosts, "--operator", OPERATOR);
    if (made.code !== 0) throw new Error(made.stderr);
    // Taken away, as the steps of an installation ask for. A deployment needs none of them.
    renameSync(join(this.folder, "offline"), this.stack.path("offline"));
    const path = join(this.folder, "site.yaml");
    // deploy-queue replaces both.
    const image = () => ({ file: "/none.qcow2", version: "0" });
    const pool = { bootTimeoutSeconds: BOOT_LIMIT_S };
    const answers = {
      ...parse(readFileSync(path, "utf8")),
      pools: [],
      client: { folder: "/sw/container-builder/current/etc/container-builder" },
      // JetStream reserves the maximum size of each stream.
      limits: { logMiB: 64, imageMiB: 256 },
      cloud: {
        ...{ cloud: "here", network: "lab", clients: ["10.77.0.0/16"] },
        hosts: { flavor: HOST_FLAVOR, image: image() },
        builders: {
          ...{ flavor: BUILDER_FLAVOR, image: image(), reserve: 1, max: 2, pool },
          login: this.stack.path("queue-clouds.yaml"),
        },
      },
    };
    await writeSecretFile(path, stringify(answers));
  }

  #cloneProject(): void {
    const cwd = this.stack.path("project");
    execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${PROJECT}`, cwd]);
    // gitlab-ci-local takes the project's name from it.
    const origin = `git@gitlab.example.org:test/${this.#project}.git`;
    execFileSync("git", ["-C", cwd, "remote", "set-url", "origin", origin]);
    writeFileSync(join(cwd, "site.yml"), SITE_FILE);
    commitAll(cwd, "the site");
    mkdirSync(this.stack.path("home"));
    mkdirSync(this.stack.path(PIPELINE));
    const global = {
      // Without a type, gitlab-ci-local takes a path for a file.
      CB_SITE_FOLDER: { type: "variable", values: { "*": this.folder } },
      OS_CLIENT_CONFIG_FILE: { type: "file", values: { "*": readFileSync(this.stack.path("clouds.yaml"), "utf8") } },
      CI_PIPELINE_IID: PIPELINE_ID,
    };
    writeFileSync(this.stack.path(PIPELINE, "variables.yml"), stringify({ global }));
  }
}

/** Runs a command in the network of the test runner, which has started this process in that of the testbed. */
const outside = (): string[] => ["nsenter", `--net=/proc/${process.ppid}/ns/net`, "--"];
