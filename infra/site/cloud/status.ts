/** `cb-admin site status`: each resource of a site in the cloud, its state, and whether NATS and the queue answer. */
import { tableText } from "../../../lib/cli/text/table.ts";
import { resourceName } from "./names.ts";
import { planText } from "./plan/action-text.ts";
import type { ObservedServer, SitePlan } from "./plan/site-state.ts";
import type { SiteRun } from "./site-run.ts";

interface StatusRow {
  readonly kind: "group" | "image" | "port" | "server" | "builders" | "nats" | "queue";
  readonly name: string;
  readonly state: string;
  readonly detail: string;
}

export interface SiteStatus {
  readonly rows: readonly StatusRow[];
  readonly plan: SitePlan;
  /** NATS and a queue answer, nothing is missing, and nothing differs. */
  readonly isWhole: boolean;
}

/** Errors as SiteRun.plan(). */
export async function siteStatus(run: SiteRun): Promise<SiteStatus> {
  const observed = await run.observe();
  const plan = await run.plan("up", observed);
  const { groups, images, ports, servers, builders } = observed;
  const services = [...(await natsRows(run)), await queueRow(run)];
  const ours = <Item extends { readonly isOurs: boolean }>(items: readonly Item[]): Item[] =>
    items.filter(({ isOurs }) => isOurs);
  const rows: StatusRow[] = [
    ...ours(groups).map(({ name, rules }): StatusRow => ({ ...row("group", name), detail: `${rules.length} rules` })),
    ...ours(images).map(
      ({ name, isWhole }): StatusRow => ({ ...row("image", name), state: isWhole ? "active" : "not whole" }),
    ),
    ...ours(ports).map(
      ({ name, addresses, floating }): StatusRow => ({
        ...row("port", name),
        detail: [...addresses, ...floating].join(", "),
      }),
    ),
    ...ours(servers).map(serverRow),
    { ...row("builders", run.site.name), state: `${builders.length} machines` },
    ...services,
  ];
  const isWhole = plan.actions.length + plan.refusals.length + plan.outdated.length === 0;
  return { rows, plan, isWhole: isWhole && services.every(({ state }) => state === "answers") };
}

const row = (kind: StatusRow["kind"], name: string) => ({ kind, name, state: "there", detail: "" });

function serverRow({ name, state, image, flavor }: ObservedServer): StatusRow {
  return { kind: "server", name, state, detail: `${image}, ${flavor}` };
}

async function natsRows(run: SiteRun): Promise<StatusRow[]> {
  const { site, nats } = run;
  return await Promise.all(
    site.nats.hosts.map(async (host): Promise<StatusRow> => {
      const failure = await nats.failure(host);
      const name = resourceName(site.name, host);
      return {
        kind: "nats",
        name,
        state: failure === undefined ? "answers" : "silent",
        detail: failure ?? host.address,
      };
    }),
  );
}

async function queueRow({ site, nats }: SiteRun): Promise<StatusRow> {
  const failure = await nats.queueFailure();
  return { ...row("queue", site.name), state: failure === undefined ? "answers" : "silent", detail: failure ?? "" };
}

/** Ends with a line break. */
export function statusText({ rows, plan }: SiteStatus, folder: string): string {
  const cells = rows.map(({ kind, name, state, detail }) => [kind, name, state, detail]);
  return `${tableText([["KIND", "NAME", "STATE", "DETAIL"], ...cells])}\n${planText(plan, folder)}`;
}
