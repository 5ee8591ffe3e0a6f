/** A site on the testbed's OpenStack with one NATS host and one host of cb-queue, as an operator makes it with cb-admin. */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { NatsConnection } from "nats";
import { parse, stringify } from "yaml";
import { filesOf } from "../../../infra/nats/installation.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { type Finished, type Running, Stack } from "../stack.ts";
import { OpenStackApi } from "./openstack-api.ts";
import { SiteMachines } from "./site-machines.ts";

export const SITE = "lab";
const NATS_ADDRESS = "10.78.0.5";
/** Chosen by the cloud. */
const QUEUE_ADDRESS = "auto";
/** Enough for several chunks of an upload. */
const IMAGE_BYTES = 3 * 1024 * 1024;

interface Machines {
  image: { file: string; version: string };
  flavor: string;
  [key: string]: unknown;
}

interface Answers {
  cloud: { hosts: Machines; builders: Machines; [key: string]: unknown };
  [key: string]: unknown;
}

export class SiteInCloud {
  readonly stack = Stack.unstarted();
  readonly demo: OpenStackApi;
  /** The name of its network and of its login, which no other file has. */
  readonly #name = `site-${randomUUID()}`;
  readonly #machines: SiteMachines;

  /** Makes the folder of the site. Nothing of the site is in the cloud yet. */
  static async make(): Promise<SiteInCloud> {
    const [demo, admin] = await Promise.all([OpenStackApi.login("demo"), OpenStackApi.login("admin")]);
    const site = new SiteInCloud(demo, admin);
    try {
      await site.#writeFolder();
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  private constructor(demo: OpenStackApi, admin: OpenStackApi) {
    this.demo = demo;
    const names = { nats: `${SITE}-n1`, queue: `${SITE}-q1` };
    const options = { folder: this.stack.path("machines"), ...names, address: NATS_ADDRESS };
    this.#machines = SiteMachines.start({ demo, admin }, options);
  }

  get folder(): string {
    return this.stack.path("site");
  }

  /** Runs `cb-admin site VERB FOLDER`. */
  run(verb: string, ...options: readonly string[]): Promise<Finished> {
    return this.start(verb, ...options).finished;
  }

  start(verb: string, ...options: readonly string[]): Running {
    const env = { OS_CLIENT_CONFIG_FILE: this.stack.path("clouds.yaml") };
    return this.stack.start("cb-admin", ["site", verb, this.folder, ...options], { env });
  }

  /** Changes the answers in site.yaml. */
  answer(change: (answers: Answers) => void): void {
    const path = `${this.folder}/site.yaml`;
    const answers = parse(readFileSync(path, "utf8")) as Answers;
    change(answers);
    writeFileSync(path, stringify(answers));
  }

  /** Makes a stream with these messages, in the account of the queue. */
  async addStream(name: string, messages: readonly string[]): Promise<void> {
    const nc = await this.#connect();
    const manager = await nc.jetstreamManager();
    await manager.streams.add({ name, subjects: [`${name}.>`] });
    for (const message of messages) await nc.jetstream().publish(`${name}.message`, message);
    await nc.close();
  }

  async messagesOf(name: string): Promise<string[]> {
    const nc = await this.#connect();
    const { streams } = await nc.jetstreamManager();
    const { state } = await streams.info(name);
    const texts: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      texts.push((await streams.getMessage(name, { seq })).string());
    }
    await nc.close();
    return texts;
  }

  async #connect(): Promise<NatsConnection> {
    const { queueCreds, caFile } = filesOf(`${this.folder}/installation`);
    const address = {
      url: `tls://${NATS_ADDRESS}:4222`,
      servername: `nats.${SITE}.internal`,
      ca: readFileSync(caFile, "utf8"),
    };
    return await connectNats({ address, credential: await readCreds(queueCreds, Date.now()), name: "test" });
  }

  async stop(): Promise<void> {
    await this.#machines.stop();
    await this.stack.stop();
  }

  async #writeFolder(): Promise<void> {
    await this.demo.createNetwork(this.#name, "10.78.0.0/24", { start: "10.78.0.100", end: "10.78.0.200" });
    const { id, secret } = await this.demo.createApplicationCredential(this.#name);
    const auth = {
      ...{ auth_url: "http://127.0.0.1:5000/v3", application_credential_id: id },
      application_credential_secret: secret,
    };
    const entry = { auth_type: "v3applicationcredential", auth, region_name: "RegionOne" };
    await writeSecretFile(this.stack.path("clouds.yaml"), stringify({ clouds: { here: entry } }));
    for (const name of ["host.raw", "builder.raw"]) {
      writeFileSync(this.stack.path(name), Buffer.alloc(IMAGE_BYTES, name));
    }
    const hosts = ["--nats", `n1=${NATS_ADDRESS}`, "--queue", `q1=${QUEUE_ADDRESS}`, "--storage", "2GiB"];
    const made = await this.run("init", "--name", SITE, ...hosts, "--operator", "ada");
    if (made.code !== 0) throw new Error(made.stderr);
    const image = (name: string) => ({ file: this.stack.path(name), version: "1" });
    this.answer((answers) => {
      answers.pools = [];
      answers.cloud = {
        ...{ cloud: "here", network: this.#name, clients: ["10.78.0.0/24"], ssh: ["10.0.0.0/8"] },
        hosts: { flavor: "t.nano", image: image("host.raw") },
        builders: {
          ...{ flavor: "t.nano", image: image("builder.raw"), reserve: 0, max: 2 },
          ...{ login: this.stack.path("clouds.yaml") },
        },
      };
    });
  }
}
