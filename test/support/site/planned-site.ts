/** A site of one NATS host and one queue host: as its answers describe it, and as it is observed when it is whole. */
import { type Mode, planSite } from "../../../infra/site/cloud/plan/planner.ts";
import type {
  Action,
  DesiredSite,
  ObservedServer,
  ObservedSite,
  Rule,
} from "../../../infra/site/cloud/plan/site-state.ts";

const SSH: Rule = { port: 22, from: { prefix: "10.0.0.0/8" } };
const NATS: Rule = { port: 4222, from: { group: "lab-builders" } };
const host = { isFloating: false, image: "lab-host-1", flavor: "small", config: "c1" };
export const DESIRED: DesiredSite = {
  groups: [
    { name: "lab-builders", rules: [] },
    { name: "lab-nats", rules: [SSH, NATS] },
    { name: "lab-queue", rules: [SSH] },
  ],
  images: [
    { name: "lab-host-1", digest: "h1" },
    { name: "lab-builder-1", digest: "b1" },
  ],
  hosts: [
    { ...host, name: "lab-n1", role: "nats", address: "10.0.0.5", groups: ["lab-nats"] },
    { ...host, name: "lab-q1", role: "queue", address: "10.0.0.6", groups: ["lab-queue"] },
  ],
};

export const EMPTY: ObservedSite = {
  groups: [],
  images: [],
  ports: [],
  servers: [],
  builders: [],
  pendingRestore: undefined,
};
export const ours = { isOurs: true };
export const server = (name: string, role: "nats" | "queue", more: Partial<ObservedServer> = {}): ObservedServer => ({
  ...{ ...ours, id: `s-${name}`, name, role, state: "running", hasRun: true },
  ...{ image: "lab-host-1", flavor: "small", config: "c1", ...more },
});
export const port = (name: string, address: string, group: string) => ({
  ...{ ...ours, id: `p-${name}`, name, addresses: [address], floating: [], groups: [group] },
});
export const WHOLE: ObservedSite = {
  groups: DESIRED.groups.map(({ name, rules }) => ({
    ...{ ...ours, id: `g-${name}`, name },
    rules: rules.map((rule, at) => ({ ...rule, id: `r${at}` })),
  })),
  images: DESIRED.images.map(({ name, digest }) => ({ ...ours, id: `i-${name}`, name, digest, isWhole: true })),
  ports: [port("lab-n1", "10.0.0.5", "lab-nats"), port("lab-q1", "10.0.0.6", "lab-queue")],
  servers: [server("lab-n1", "nats"), server("lab-q1", "queue")],
  builders: [],
  pendingRestore: undefined,
};

export const text = (actions: readonly Action[]): string[] => actions.map(({ kind, name }) => `${kind} ${name}`);
export const plan = (observed: ObservedSite, mode: Mode = "up", desired = DESIRED) => planSite(desired, observed, mode);
export const planned = (observed: ObservedSite, mode: Mode = "up", desired = DESIRED) =>
  text(plan(observed, mode, desired).actions);
export const withServers = (...servers: ObservedServer[]): ObservedSite => ({ ...WHOLE, servers });
