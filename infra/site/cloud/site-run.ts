/** `cb-admin site up`, `update`, `down` and `status`: observe, plan, execute, and observe again. */

import type { Steps } from "../../../lib/cli/terminal.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { parseSite } from "../answers/read-site.ts";
import { queueHosts, type Site } from "../answers/site-schema.ts";
import { readIfPresent, type SiteFolder, siteFolder } from "../site-folder.ts";
import { type CloudRefs, cloudRefs } from "./cloud-refs.ts";
import { type HostConfig, hostConfig, imageDigest } from "./deliveries.ts";
import { Executor } from "./execute.ts";
import { cloudOf, resourceName } from "./names.ts";
import { NatsData } from "./nats-data.ts";
import { observeSite } from "./observe.ts";
import { desiredSite, siteImages } from "./plan/desired.ts";
import { planDown } from "./plan/down.ts";
import { type Mode, planSite } from "./plan/planner.ts";
import type { DesiredSite, ObservedSite, SitePlan } from "./plan/site-state.ts";
import { reserveAddresses } from "./reserve-addresses.ts";
import { openSiteCloud, type SiteCloud } from "./site-cloud.ts";

/** A pass changes what the next one observes. The second is usually empty; an exchange that was killed needs one more. */
const PASSES_MAX = 4;
const NOTHING: DesiredSite = { groups: [], images: [], hosts: [] };

/** The resources that the answers ask of the cloud, and the ids and contents to create them with. */
interface Wanted {
  readonly desired: DesiredSite;
  readonly refs: CloudRefs | undefined;
  readonly configs: ReadonlyMap<string, HostConfig>;
}

export class SiteRun {
  readonly site: Site;
  readonly folder: SiteFolder;
  readonly nats: NatsData;
  readonly #cloud: SiteCloud;
  readonly #steps: Steps;
  readonly #signal: AbortSignal;

  /** Throws CbError "usage" when there is no site or it has no cloud, and "config" for mistakes in site.yaml and clouds.yaml. */
  static async open(root: string, steps: Steps, signal: AbortSignal): Promise<SiteRun> {
    const folder = siteFolder(root);
    const text = await readIfPresent(folder.yaml);
    if (text === undefined) {
      throw new CbError("usage", `there is no site in ${root}: it has no site.yaml`, {
        hint: "make one: cb-admin site init --help",
      });
    }
    const site = parseSite(text, folder.yaml);
    return new SiteRun(site, folder, openSiteCloud(cloudOf(site)), { steps, signal });
  }

  private constructor(
    site: Site,
    folder: SiteFolder,
    cloud: SiteCloud,
    { steps, signal }: { readonly steps: Steps; readonly signal: AbortSignal },
  ) {
    this.site = site;
    this.folder = folder;
    this.nats = new NatsData(site, folder);
    this.#cloud = cloud;
    this.#steps = steps;
    this.#signal = signal;
  }

  /** Lets the cloud choose the addresses that site.yaml leaves open; see reserveAddresses(). */
  async reserveAddresses(): Promise<void> {
    const { site, folder } = this;
    const reserved = await reserveAddresses({ site, folder, cloud: this.#cloud, signal: this.#signal });
    for (const [name, address] of reserved)
      this.#steps.print(`The address of ${name} is ${address}; site.yaml has it now`);
  }

  /**
   * Lets the next plan restore a backup into a new NATS host. Throws CbError "usage" while that host is there, because its data
   * would be mixed with those of the backup, and for three hosts; errors as NatsData.restoreFrom().
   */
  async restoreFrom(backup: string): Promise<void> {
    const [host, ...more] = this.site.nats.hosts;
    if (host === undefined || more.length > 0) {
      throw new CbError("usage", "--restore is for a site with one NATS host", {
        hint: "restore into the cluster by hand: docs/backup.md",
      });
    }
    const name = resourceName(this.site.name, host);
    const { servers } = await this.observe();
    const present = servers.find((one) => one.isOurs && one.name === name && one.state !== "deleting");
    if (present !== undefined) {
      throw new CbError("usage", `the server ${name} (${present.id}) is there: a backup is restored into a new one`, {
        hint: `if its data are not needed, delete it: openstack server delete ${present.id}`,
      });
    }
    await this.nats.restoreFrom(backup);
  }

  /** Throws CbError "config" for names that the cloud does not have, images and addresses that do not fit; else as the calls do. */
  async plan(mode: Mode, observed?: ObservedSite): Promise<SitePlan> {
    const { desired } = await this.#wanted();
    return planSite(desired, observed ?? (await this.observe()), mode);
  }

  /**
   * Executes plans until one is empty. Resolves with that plan and the actions that were executed. Throws CbError "config" with the
   * plan's refusals, and errors as plan() and Executor.run().
   */
  async bring(mode: Mode): Promise<SitePlan> {
    const wanted = await this.#wanted();
    const all: SitePlan["actions"][number][] = [];
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const observed = await this.observe();
      const plan = planSite(wanted.desired, observed, mode);
      refuse(plan);
      if (plan.actions.length === 0) {
        // The plan does not use it, so an exchange that was killed was not completed by this run.
        await this.nats.forgetRestore();
        return { ...plan, actions: all };
      }
      await this.#execute(plan.actions, wanted, observed);
      all.push(...plan.actions);
    }
    throw new CbError("infrastructure", `after ${PASSES_MAX} passes the cloud still differs from site.yaml`, {
      hint: "does another program change the site? see what is left: cb-admin site up --plan",
    });
  }

  async planDown(): Promise<SitePlan["actions"]> {
    return planDown(this.site.name, await this.observe());
  }

  /** Removes everything of the site. Errors as Executor.run(). */
  async takeDown(): Promise<SitePlan["actions"]> {
    const all: SitePlan["actions"][number][] = [];
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const observed = await this.observe();
      const actions = planDown(this.site.name, observed);
      if (actions.length === 0) return all;
      await this.#execute(actions, { desired: NOTHING, refs: undefined, configs: new Map() }, observed);
      all.push(...actions);
    }
    throw new CbError(
      "infrastructure",
      `after ${PASSES_MAX} passes the cloud still has resources of ${this.site.name}`,
    );
  }

  async observe(): Promise<ObservedSite> {
    const imageNames = siteImages(this.site).map(({ name }) => name);
    const pendingRestore = await this.nats.pendingRestore();
    return observeSite(this.#cloud, { site: this.site.name, imageNames, pendingRestore }, this.#signal);
  }

  async #wanted(): Promise<Wanted> {
    const { site, folder } = this;
    const { ports, resources } = this.#cloud;
    const refs = await cloudRefs(cloudOf(site), resources, this.#signal);
    const subnets = await ports.subnets(refs.networkId, this.#signal);
    const floating = await ports.floating(this.#signal);
    const configs = new Map<string, HostConfig>();
    for (const { name } of [...site.nats.hosts, ...queueHosts(site)]) {
      configs.set(name, await hostConfig(folder.root, name));
    }
    const digests = new Map<string, string>();
    for (const { file } of siteImages(site)) digests.set(file, await imageDigest(file));
    const facts = {
      digests,
      configs: new Map([...configs].map(([name, { digest }]) => [name, digest])),
      subnets: subnets.map(({ cidr }) => cidr),
      floating: floating.map((one) => one.floating_ip_address),
    };
    return { desired: desiredSite(site, facts), refs, configs };
  }

  #execute(actions: SitePlan["actions"], wanted: Wanted, observed: ObservedSite): Promise<void> {
    const parts = { site: this.site, cloud: this.#cloud, nats: this.nats, steps: this.#steps, signal: this.#signal };
    return new Executor({ ...parts, ...wanted, observed }).run(actions);
  }
}

function refuse({ refusals }: SitePlan): void {
  const [first, ...more] = refusals;
  if (first === undefined) return;
  throw new CbError("config", more.length === 0 ? first : `the site cannot be brought up\n  ${refusals.join("\n  ")}`);
}
