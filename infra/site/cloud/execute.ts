/** Executes the actions of a plan, one after the other. Each is harmless when it is repeated after a kill. */
import { isIPv6 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import type { Steps } from "../../../lib/cli/terminal.ts";
import { size } from "../../../lib/cli/text/progress.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { refusalOf } from "../../../lib/provider/openstack/api/refusal.ts";
import type { Site } from "../answers/site-schema.ts";
import { BuilderRemoval } from "./builder-removal.ts";
import type { CloudRefs } from "./cloud-refs.ts";
import { type HostConfig, imageBody } from "./deliveries.ts";
import { CONFIG_KEY, DIGEST_KEY, FLAVOR_KEY, IMAGE_KEY, markOf, ROLE_KEY, SITE_KEY } from "./names.ts";
import type { NatsData } from "./nats-data.ts";
import { actionTitle } from "./plan/action-text.ts";
import { siteImages } from "./plan/desired.ts";
import type { Action, DesiredHost, DesiredSite, ObservedSite, Rule } from "./plan/site-state.ts";
import { ServerWatch } from "./server-watch.ts";
import type { SiteCloud } from "./site-cloud.ts";

export interface ExecutorParts {
  readonly site: Site;
  readonly cloud: SiteCloud;
  readonly desired: DesiredSite;
  readonly observed: ObservedSite;
  /** The ids of the names that site.yaml has. Absent for a removal, which creates nothing. */
  readonly refs: CloudRefs | undefined;
  /** By the name of the host in site.yaml. */
  readonly configs: ReadonlyMap<string, HostConfig>;
  readonly nats: NatsData;
  readonly steps: Steps;
  readonly signal: AbortSignal;
}

const created = v.object({ server: v.object({ id: v.string() }) });

/** A port of a deleted server, and a group of a deleted port, are in use for some seconds more. */
const IN_USE_MS = 60_000;
const RETRY_MS = 1_000;

export class Executor {
  readonly #parts: ExecutorParts;
  readonly #watch: ServerWatch;
  /** Ids by kind and name: the observed ones of this site, and those that this run has created. */
  readonly #ids = new Map<string, string>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#watch = new ServerWatch(parts.cloud.compute, parts.signal);
    const { groups, images, ports, servers } = parts.observed;
    for (const [kind, items] of Object.entries({ groups, images, ports, servers })) {
      for (const { name, id, isOurs } of items) if (isOurs) this.#ids.set(`${kind} ${name}`, id);
    }
  }

  /** Throws CbError of the first action that fails; the actions before it are done. Throws the reason of `signal`. */
  async run(actions: readonly Action[]): Promise<void> {
    const { steps, signal } = this.#parts;
    for (const action of actions) {
      signal.throwIfAborted();
      steps.begin(actionTitle(action));
      steps.complete((await this.#execute(action)) ?? "done");
    }
  }

  /** Resolves with the result for people, if it is more than "done". */
  async #execute(action: Action): Promise<string | undefined> {
    const { cloud, nats, signal, site, steps } = this.#parts;
    const { kind, name } = action;
    switch (kind) {
      case "create-group":
        return this.#keep(`groups ${name}`, await cloud.groups.create(name, markOf(site.name), signal));
      case "add-rule":
        return void (await cloud.groups.addRule(this.#id("groups", name), this.#newRule(action.rule), signal));
      case "remove-rule":
        return void (await cloud.groups.deleteRule(action.id, signal));
      case "delete-group":
        return void (await this.#whenFree(name, () => cloud.groups.delete(action.id, signal)));
      case "upload-image":
        return this.#upload(name);
      case "delete-image":
        return void (await cloud.images.delete(action.id, signal));
      case "create-port":
        return this.#createPort(name);
      case "set-port-groups":
        return void (await cloud.ports.setGroups(action.id, this.#groupIds(this.#host(name)), signal));
      case "attach-address":
        return this.#attach(name, action.address);
      case "delete-port":
        return void (await this.#whenFree(name, () => cloud.ports.delete(action.id, signal)));
      case "create-server":
        return this.#createServer(name);
      case "start-server":
        return void (await cloud.compute.start(action.id, signal));
      case "await-server":
        return this.#watch.running(this.#id("servers", name), name);
      case "stop-server":
        await cloud.compute.stop(action.id, signal);
        return this.#watch.stopped(action.id, name);
      case "delete-server":
        return this.#watch.deleted(action.id);
      case "await-nats":
        return void (await nats.answers(this.#natsHost(name), signal));
      case "await-data":
        return void (await nats.hasAllData(this.#natsHost(name), signal));
      case "await-queue":
        return void (await nats.queueAnswers(name, signal));
      case "backup":
        await nats.save(action.id, Date.now(), steps, signal);
        // It has shown steps of its own.
        return void steps.begin(actionTitle(action));
      case "restore":
        await nats.bringBack(steps, signal);
        return void steps.begin(actionTitle(action));
      case "delete-builders":
        return new BuilderRemoval(cloud.compute, site.name, signal).run();
    }
  }

  #keep(key: string, id: string): undefined {
    this.#ids.set(key, id);
  }

  #id(kind: string, name: string): string {
    const id = this.#ids.get(`${kind} ${name}`);
    if (id === undefined)
      throw new CbError("infrastructure", `the plan needs one of the ${kind} that is gone: ${name}`);
    return id;
  }

  #host(name: string): DesiredHost {
    const host = this.#parts.desired.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`the plan has a host that site.yaml does not have: ${name}`);
    return host;
  }

  /** The host as site.yaml names it. */
  #answer(name: string) {
    const { site } = this.#parts;
    const own = name.slice(site.name.length + 1);
    return [...site.nats.hosts, ...(site.queue?.hosts ?? [])].find((host) => host.name === own)?.name ?? own;
  }

  #natsHost(name: string) {
    const own = this.#answer(name);
    const host = this.#parts.site.nats.hosts.find((one) => one.name === own);
    if (host === undefined) throw new Error(`the plan has a NATS host that site.yaml does not have: ${name}`);
    return host;
  }

  #refs(): CloudRefs {
    if (this.#parts.refs === undefined) throw new Error("a removal creates nothing");
    return this.#parts.refs;
  }

  #groupIds({ groups }: DesiredHost): string[] {
    return groups.map((group) => this.#id("groups", group));
  }

  /** A rule for a group is for the family of the site's own addresses. */
  #newRule({ port, from }: Rule) {
    const [first] = this.#parts.desired.hosts;
    if ("group" in from) {
      const family = isIPv6(first?.address ?? "") ? 6 : 4;
      return { port, family, from: { groupId: this.#id("groups", from.group) } } as const;
    }
    return { port, family: from.prefix.includes(":") ? 6 : 4, from } as const;
  }

  async #upload(name: string): Promise<string> {
    const { cloud, desired, signal, site, steps } = this.#parts;
    const digest = desired.images.find((image) => image.name === name)?.digest ?? "";
    const file = siteImages(site).find((image) => image.name === name)?.file ?? "";
    const diskFormat = file.endsWith(".qcow2") ? "qcow2" : "raw";
    // virtio is what the images have drivers for, and a host without random numbers boots minutes later (docs/release/host-image.md).
    const hardware = { hw_disk_bus: "virtio", hw_vif_model: "virtio", hw_rng_model: "virtio" };
    const properties = { ...hardware, [DIGEST_KEY]: digest };
    const id = await cloud.images.create({ name, diskFormat, tags: [markOf(site.name)], properties }, signal);
    this.#keep(`images ${name}`, id);
    const percent = (sent: number, total: number): void =>
      steps.isTerminal ? steps.update(`${Math.floor((sent / total) * 100)} % of ${size(total)}`) : undefined;
    const body = await imageBody(file, percent);
    await cloud.images.upload(id, body, signal);
    return size(body.sizeBytes);
  }

  async #createPort(name: string): Promise<undefined> {
    const { cloud, signal, site } = this.#parts;
    const host = this.#host(name);
    const port = {
      ...{ name, description: markOf(site.name), networkId: this.#refs().networkId, groupIds: this.#groupIds(host) },
      ...(host.isFloating ? {} : { address: host.address }),
    };
    return this.#keep(`ports ${name}`, await cloud.ports.create(port, signal));
  }

  async #attach(name: string, address: string): Promise<undefined> {
    const { ports } = this.#parts.cloud;
    const floating = await ports.floating(this.#parts.signal);
    const found = floating.find((one) => one.floating_ip_address === address);
    if (found === undefined) throw new CbError("infrastructure", `the floating address ${address} is gone`);
    await ports.attach(found.id, this.#id("ports", name), this.#parts.signal);
  }

  async #createServer(name: string): Promise<undefined> {
    const { cloud, configs, signal, site } = this.#parts;
    const host = this.#host(name);
    const { flavorId, keyName, availabilityZone } = this.#refs();
    const { role, image, flavor, config } = host;
    const server = {
      name,
      flavorRef: flavorId,
      imageRef: this.#id("images", image),
      networks: [{ port: this.#id("ports", name) }],
      tags: [markOf(site.name)],
      metadata: {
        ...{ [SITE_KEY]: site.name, [ROLE_KEY]: role, [IMAGE_KEY]: image, [FLAVOR_KEY]: flavor, [CONFIG_KEY]: config },
      },
      config_drive: true,
      user_data: configs.get(this.#answer(name))?.userData ?? "",
      ...(keyName === undefined ? {} : { key_name: keyName }),
      ...(availabilityZone === undefined ? {} : { availability_zone: availabilityZone }),
    };
    const reply = await cloud.compute.create({ server }, signal);
    if (reply.status !== 202) throw refusalOf(reply, `the server ${name}`);
    const parsed = v.safeParse(created, reply.body);
    if (!parsed.success)
      throw new CbError("infrastructure", `nova created the server ${name} and does not name its id`);
    return this.#keep(`servers ${name}`, parsed.output.server.id);
  }

  /** Repeats a deletion that neutron refuses because the resource is in use. Throws CbError "infrastructure" after a minute. */
  async #whenFree(name: string, remove: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + IN_USE_MS;
    while (!(await remove())) {
      if (performance.now() > endMs) {
        throw new CbError("infrastructure", `${name} is still in use after ${IN_USE_MS / 1000} s`, {
          hint: "see: openstack port list --long; then run the command again",
        });
      }
      await delay(RETRY_MS, undefined, { signal: this.#parts.signal });
    }
  }
}
