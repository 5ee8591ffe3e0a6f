/** Finds the hosts that differ from the answers, with the reasons. Pure. */
import type { DesiredHost, DesiredSite, ObservedServer, ObservedSite, Outdated } from "./site-state.ts";

export function outdatedHosts({ hosts }: DesiredSite, { servers, ports }: ObservedSite): Outdated[] {
  return servers
    .filter(({ isOurs, state }) => isOurs && state !== "deleting")
    .flatMap((server) => {
      const { name } = server;
      const host = hosts.find((one) => one.name === name);
      if (host === undefined) return [{ name, reasons: ["site.yaml does not list it"] }];
      const port = ports.find((one) => one.isOurs && one.name === name);
      const reasons = [...differences(host, server), ...addressDifference(host, port?.addresses)];
      return reasons.length === 0 ? [] : [{ name, reasons }];
    });
}

function differences(host: DesiredHost, server: ObservedServer): string[] {
  return [
    ...(host.image === server.image ? [] : [`image ${server.image}, not ${host.image}`]),
    ...(host.flavor === server.flavor ? [] : [`flavor ${server.flavor}, not ${host.flavor}`]),
    ...(host.config === server.config ? [] : ["another configuration"]),
  ];
}

/** A floating address is moved without a replacement. */
function addressDifference({ address, isFloating }: DesiredHost, present: readonly string[] | undefined): string[] {
  if (isFloating || present === undefined || present.includes(address)) return [];
  return [`address ${present.join(", ")}, not ${address}`];
}
