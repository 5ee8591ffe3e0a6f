/** Plans groups, ports and images: what can be changed while the hosts run. Pure. */
import {
  type Action,
  type DesiredGroup,
  type DesiredHost,
  type DesiredSite,
  type ObservedSite,
  ruleText,
} from "./site-state.ts";

/** Groups come before rules, which name other groups; ports come before any server, so that each address is known. */
export function planNetwork({ groups, hosts }: DesiredSite, observed: ObservedSite): Action[] {
  const missing = groups.filter(({ name }) => !observed.groups.some((group) => group.isOurs && group.name === name));
  return [
    ...missing.map(({ name }): Action => ({ kind: "create-group", name })),
    ...groups.flatMap((group) => planRules(group, observed)),
    ...hosts.flatMap((host) => planPort(host, observed)),
  ];
}

function planRules({ name, rules }: DesiredGroup, { groups }: ObservedSite): Action[] {
  const present = groups.find((group) => group.isOurs && group.name === name)?.rules ?? [];
  const texts = new Set(present.map(ruleText));
  const wanted = new Set(rules.map(ruleText));
  return [
    ...rules.filter((rule) => !texts.has(ruleText(rule))).map((rule): Action => ({ kind: "add-rule", name, rule })),
    ...present
      .filter((rule) => !wanted.has(ruleText(rule)))
      .map(({ id, ...rule }): Action => ({ kind: "remove-rule", name, rule, id })),
  ];
}

function planPort({ name, address, isFloating, groups }: DesiredHost, { ports }: ObservedSite): Action[] {
  const port = ports.find((one) => one.isOurs && one.name === name);
  const hasGroups = port !== undefined && [...port.groups].sort().join() === [...groups].sort().join();
  const isAttached = port?.floating.includes(address) ?? false;
  return [
    ...(port === undefined ? [{ kind: "create-port", name } as const] : []),
    ...(port === undefined || hasGroups ? [] : [{ kind: "set-port-groups", name, id: port.id } as const]),
    ...(isFloating && !isAttached ? [{ kind: "attach-address", name, address } as const] : []),
  ];
}

/** An upload that was interrupted is made again. */
export function planImages({ images }: DesiredSite, observed: ObservedSite): Action[] {
  return images.flatMap(({ name }): Action[] => {
    const present = observed.images.find((image) => image.isOurs && image.name === name);
    if (present?.isWhole) return [];
    return [
      ...(present === undefined ? [] : [{ kind: "delete-image", name, id: present.id } as const]),
      { kind: "upload-image", name },
    ];
  });
}

/** The images of former versions that no host and no builder uses. */
export function planOldImages({ images, hosts }: DesiredSite, { images: present, builders }: ObservedSite): Action[] {
  const names = new Set([...images.map(({ name }) => name), ...hosts.map(({ image }) => image)]);
  const used = new Set(builders.map(({ imageId }) => imageId));
  return present
    .filter(({ isOurs, name, id }) => isOurs && !names.has(name) && !used.has(id))
    .map(({ name, id }) => ({ kind: "delete-image", name, id }));
}
