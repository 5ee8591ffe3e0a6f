/** The calls to neutron (Networking API v2.0) for security groups and their rules. */
import * as v from "valibot";
import type { NeutronCalls } from "./neutron.ts";

const ruleSchema = v.object({
  id: v.string(),
  direction: v.picklist(["ingress", "egress"]),
  protocol: v.nullable(v.string()),
  port_range_min: v.nullable(v.number()),
  port_range_max: v.nullable(v.number()),
  remote_ip_prefix: v.nullable(v.string()),
  remote_group_id: v.nullable(v.string()),
});
const groupSchema = v.object({
  id: v.string(),
  name: v.string(),
  description: v.nullish(v.string(), ""),
  security_group_rules: v.array(ruleSchema),
});
export type SecurityGroup = v.InferOutput<typeof groupSchema>;

/** Lets one TCP port in. */
export interface NewRule {
  readonly port: number;
  readonly family: 4 | 6;
  readonly from: { readonly prefix: string } | { readonly groupId: string };
}

const COLLECTION = "security-groups";
const RULES = "security-group-rules";

/** Errors as NeutronCalls. */
export class SecurityGroups {
  readonly #neutron: NeutronCalls;

  constructor(neutron: NeutronCalls) {
    this.#neutron = neutron;
  }

  /** All groups of the project, with their rules. */
  async list(signal: AbortSignal): Promise<SecurityGroup[]> {
    const query = await this.#neutron.ofProject(signal);
    return this.#neutron.list({ collection: COLLECTION, query, schema: groupSchema }, signal);
  }

  /** A new group lets everything out and nothing in. Resolves with its id. */
  create(name: string, description: string, signal: AbortSignal): Promise<string> {
    return this.#neutron.create(COLLECTION, { security_group: { name, description } }, signal);
  }

  /** False: a port uses it. */
  delete(id: string, signal: AbortSignal): Promise<boolean> {
    return this.#neutron.delete(COLLECTION, id, signal);
  }

  /** Resolves when the rule exists. neutron replies with 409 to one that exists already. */
  addRule(groupId: string, { port, family, from }: NewRule, signal: AbortSignal): Promise<void> {
    const rule = {
      ...{ security_group_id: groupId, direction: "ingress", protocol: "tcp", ethertype: `IPv${family}` },
      ...{ port_range_min: port, port_range_max: port },
      ...("groupId" in from ? { remote_group_id: from.groupId } : { remote_ip_prefix: from.prefix }),
    };
    return this.#neutron.createUnlessExists(RULES, { security_group_rule: rule }, signal);
  }

  async deleteRule(id: string, signal: AbortSignal): Promise<void> {
    await this.#neutron.delete(RULES, id, signal);
  }
}
