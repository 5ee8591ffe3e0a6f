/** A site in the cloud as its answers describe it, as it is observed, and the actions that lead from one to the other. */
import type { Role } from "../names.ts";

/** Lets a TCP port in, from the addresses of a prefix or from the members of another group of the site. */
export interface Rule {
  readonly port: number;
  readonly from: { readonly prefix: string } | { readonly group: string };
}

export interface DesiredGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export interface DesiredImage {
  readonly name: string;
  /** SHA-256 of the file. */
  readonly digest: string;
}

export interface DesiredHost {
  /** The name of its server and of its port. */
  readonly name: string;
  readonly role: Role;
  /** Under which other hosts, builders and users reach it. */
  readonly address: string;
  /** True: the cloud translates the address to that of the port. */
  readonly isFloating: boolean;
  readonly groups: readonly string[];
  readonly image: string;
  readonly flavor: string;
  /** SHA-256 of its configuration. */
  readonly config: string;
}

export interface DesiredSite {
  readonly groups: readonly DesiredGroup[];
  readonly images: readonly DesiredImage[];
  /** The NATS hosts before the hosts of cb-queue. */
  readonly hosts: readonly DesiredHost[];
}

export interface Resource {
  readonly id: string;
  readonly name: string;
  /** It has the mark of the site. */
  readonly isOurs: boolean;
}

export interface ObservedGroup extends Resource {
  readonly rules: readonly (Rule & { readonly id: string })[];
}

export interface ObservedImage extends Resource {
  /** False: its upload has not ended, or has failed. */
  readonly isWhole: boolean;
  readonly digest: string;
}

export interface ObservedPort extends Resource {
  readonly addresses: readonly string[];
  /** The floating addresses that lead to it. */
  readonly floating: readonly string[];
  /** Names, or the ids of groups that are not of the site. */
  readonly groups: readonly string[];
}

export interface ObservedServer extends Resource {
  /** `broken`: in a state from which nova does not start it, such as ERROR. */
  readonly state: "starting" | "running" | "stopped" | "broken" | "deleting";
  /** False: it has never started, so it has no data. */
  readonly hasRun: boolean;
  readonly role: Role;
  readonly image: string;
  readonly flavor: string;
  readonly config: string;
}

/** A backup that is not restored yet: the server that it was taken from is replaced, or about to be. */
export interface PendingRestore {
  readonly folder: string;
  /** The id of that server. */
  readonly replaces: string;
}

export interface ObservedSite {
  readonly groups: readonly ObservedGroup[];
  readonly images: readonly ObservedImage[];
  readonly ports: readonly ObservedPort[];
  readonly servers: readonly ObservedServer[];
  /** The machines that cb-queue has created, and the ids of their images. */
  readonly builders: readonly { readonly id: string; readonly name: string; readonly imageId: string }[];
  readonly pendingRestore: PendingRestore | undefined;
}

/** `name` is that of the resource. `id` is of the one that was observed, where an action needs it to exist. */
export type Action =
  | { readonly kind: "create-group"; readonly name: string }
  | { readonly kind: "add-rule"; readonly name: string; readonly rule: Rule }
  | { readonly kind: "remove-rule"; readonly name: string; readonly rule: Rule; readonly id: string }
  | { readonly kind: "delete-group"; readonly name: string; readonly id: string }
  | { readonly kind: "upload-image"; readonly name: string }
  | { readonly kind: "delete-image"; readonly name: string; readonly id: string }
  | { readonly kind: "create-port"; readonly name: string }
  | { readonly kind: "set-port-groups"; readonly name: string; readonly id: string }
  | { readonly kind: "attach-address"; readonly name: string; readonly address: string }
  | { readonly kind: "delete-port"; readonly name: string; readonly id: string }
  | { readonly kind: "create-server"; readonly name: string }
  | { readonly kind: "start-server"; readonly name: string; readonly id: string }
  | { readonly kind: "await-server"; readonly name: string }
  | { readonly kind: "stop-server"; readonly name: string; readonly id: string }
  | { readonly kind: "delete-server"; readonly name: string; readonly id: string }
  | { readonly kind: "await-nats"; readonly name: string }
  /** Until the store of this host of a cluster has what the other hosts have. */
  | { readonly kind: "await-data"; readonly name: string }
  | { readonly kind: "await-queue"; readonly name: string }
  | { readonly kind: "backup"; readonly name: string; readonly id: string }
  | { readonly kind: "restore"; readonly name: string; readonly folder: string }
  | { readonly kind: "delete-builders"; readonly name: string };

/** A host that `update` would replace or remove. */
export interface Outdated {
  readonly name: string;
  readonly reasons: readonly string[];
}

export interface SitePlan {
  /** In their order. Empty with a refusal. */
  readonly actions: readonly Action[];
  /** Why nothing can be done before an operator acts. */
  readonly refusals: readonly string[];
  /** The hosts that `up` leaves as they are. */
  readonly outdated: readonly Outdated[];
}

/** Two rules with the same key let the same packets in. */
export function ruleText({ port, from }: Rule): string {
  return `tcp ${port} from ${"group" in from ? `the group ${from.group}` : from.prefix}`;
}
