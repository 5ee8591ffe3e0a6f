/** The calls to neutron (Networking API v2.0) for subnets, ports and floating addresses. */
import * as v from "valibot";
import type { NeutronCalls } from "./neutron.ts";

const subnetSchema = v.object({ id: v.string(), cidr: v.string() });
const portSchema = v.object({
  id: v.string(),
  name: v.nullish(v.string(), ""),
  description: v.nullish(v.string(), ""),
  network_id: v.string(),
  /** The id of its server; empty while it is free. */
  device_id: v.nullish(v.string(), ""),
  fixed_ips: v.array(v.object({ ip_address: v.string() })),
  security_groups: v.optional(v.array(v.string()), []),
});
const floatingSchema = v.object({
  id: v.string(),
  floating_ip_address: v.string(),
  port_id: v.nullable(v.string()),
});
export type Subnet = v.InferOutput<typeof subnetSchema>;
export type Port = v.InferOutput<typeof portSchema>;
export type FloatingAddress = v.InferOutput<typeof floatingSchema>;

export interface NewPort {
  readonly name: string;
  readonly description: string;
  readonly networkId: string;
  /** Absent: neutron chooses one. */
  readonly address?: string;
  readonly groupIds: readonly string[];
}

/** Errors as NeutronCalls. */
export class Ports {
  readonly #neutron: NeutronCalls;

  constructor(neutron: NeutronCalls) {
    this.#neutron = neutron;
  }

  subnets(networkId: string, signal: AbortSignal): Promise<Subnet[]> {
    return this.#neutron.list(
      { collection: "subnets", query: { network_id: networkId }, schema: subnetSchema },
      signal,
    );
  }

  /** All ports of the project. */
  async list(signal: AbortSignal): Promise<Port[]> {
    const query = await this.#neutron.ofProject(signal);
    return this.#neutron.list({ collection: "ports", query, schema: portSchema }, signal);
  }

  /** Resolves with its id. */
  create({ name, description, networkId, address, groupIds }: NewPort, signal: AbortSignal): Promise<string> {
    const port = {
      ...{ name, description, network_id: networkId, security_groups: groupIds },
      ...(address === undefined ? {} : { fixed_ips: [{ ip_address: address }] }),
    };
    return this.#neutron.create("ports", { port }, signal);
  }

  setGroups(id: string, groupIds: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#neutron.update(`ports/${encodeURIComponent(id)}`, { port: { security_groups: groupIds } }, signal);
  }

  /** False: it is in use. */
  delete(id: string, signal: AbortSignal): Promise<boolean> {
    return this.#neutron.delete("ports", id, signal);
  }

  /** The floating addresses of the project. */
  async floating(signal: AbortSignal): Promise<FloatingAddress[]> {
    const query = await this.#neutron.ofProject(signal);
    return this.#neutron.list({ collection: "floatingips", query, schema: floatingSchema }, signal);
  }

  /** Leads the floating address to that port, wherever it led before. */
  attach(floatingId: string, portId: string, signal: AbortSignal): Promise<void> {
    const body = { floatingip: { port_id: portId } };
    return this.#neutron.update(`floatingips/${encodeURIComponent(floatingId)}`, body, signal);
  }
}
