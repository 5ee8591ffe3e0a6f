/** Reads site.yaml: its own schema, and the queue's schema for the parts that it hands on to queue.yaml. */
import { isIP } from "node:net";
import * as v from "valibot";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { type Mistake, parseYaml } from "../../../lib/config/yaml-file.ts";
import { copiesPorts } from "../files/copies-files.ts";
import { queueContent } from "../files/queue-files.ts";
import { AUTO, queueHosts, type Site, siteSchema } from "./site-schema.ts";

/** The parts of queue.yaml that an operator writes in site.yaml. */
const HANDED_ON: readonly unknown[] = ["pools", "registries", "limits", "quotas", "bootstraps"];
/** In the place of the account's key, which the mistakes do not depend on. */
const ANY_ACCOUNT = `A${"A".repeat(55)}`;

/**
 * `path` is for the messages; undefined: options changed the text, and it is in no file. Throws CbError "config" with every mistake and
 * its line.
 */
export function parseSite(text: string, path: string | undefined): Site {
  return parseYaml(text, path, siteSchema, mistakes);
}

function mistakes(content: unknown): Mistake[] {
  const parsed = v.safeParse(siteSchema, content);
  if (!parsed.success) return [];
  return [
    ...hostMistakes(parsed.output),
    ...copiesMistakes(parsed.output),
    ...cloudMistakes(parsed.output),
    ...queueMistakes(parsed.output),
  ];
}

function queueMistakes(site: Site): Mistake[] {
  return queueHosts(site)
    .slice(0, 1)
    .flatMap((host) => v.safeParse(queueConfig, queueContent(site, ANY_ACCOUNT, host)).issues ?? [])
    .flatMap((issue) => {
      const keys = (issue.path ?? []).map(({ key }) => key as string | number);
      if (!HANDED_ON.includes(keys[0])) return [];
      // The pool that the section `cloud` describes comes last.
      if (keys[0] === "pools" && keys[1] === site.pools.length) keys.splice(0, 2, "cloud", "builders");
      const isUnknown = issue.type === "strict_object" && issue.expected === "never";
      const isMissing = issue.received === "undefined";
      return [{ keys, text: isUnknown ? "is not a setting" : isMissing ? "is missing" : issue.message }];
    });
}

/** One name is one host, so that its files lie in one folder. */
function hostMistakes(site: Site): Mistake[] {
  return (site.queue?.hosts ?? []).flatMap(({ name, address }, index): Mistake[] => {
    const same = site.nats.hosts.find((host) => host.name === name || (host.address === address && address !== AUTO));
    if (same === undefined || (same.name === name && same.address === address)) return [];
    const text = `is ${name} at ${address}, but nats.hosts has ${same.name} at ${same.address}; write the same host alike`;
    return [{ keys: ["queue", "hosts", index], text }];
  });
}

function copiesMistakes(site: Site): Mistake[] {
  const { copies, nats } = site;
  if (copies === undefined) return [];
  const names = nats.hosts.map(({ name }) => name);
  const used = copiesPorts(site).find((one) => one === nats.port || one === nats.routePort);
  return [
    ...(copies.host === undefined || names.includes(copies.host)
      ? []
      : [{ keys: ["copies", "host"], text: `is no NATS host: ${copies.host}; choose one of ${names.join(", ")}` }]),
    ...(used === undefined ? [] : [{ keys: ["copies", "port"], text: `NATS has the port ${used} of this range` }]),
  ];
}

/** The hosts of a cloud have addresses that the cloud can give them, and NATS can be replaced while no queue runs. */
function cloudMistakes({ cloud, nats, queue }: Site): Mistake[] {
  if (cloud === undefined) return [];
  if (queue === undefined) {
    const text =
      "needs queue.hosts: in a cloud, cb-queue has a host of its own, and NATS is replaced while that is stopped";
    return [{ keys: ["cloud"], text }];
  }
  const named = [
    ...nats.hosts.map((host, at) => ({ host, keys: ["nats", "hosts", at] })),
    ...queue.hosts.map((host, at) => ({ host, keys: ["queue", "hosts", at] })),
  ];
  return [
    ...named
      .filter(({ host }) => isIP(host.address) === 0 && host.address !== AUTO)
      .map(({ host, keys }) => ({
        keys: [...keys, "address"],
        text: `must be an IP address in a cloud, or ${AUTO}, not ${host.address}`,
      })),
    ...queue.hosts.flatMap(({ name }, at) =>
      nats.hosts.some((host) => host.name === name)
        ? [
            {
              keys: ["queue", "hosts", at],
              text: `is the NATS host ${name}; in a cloud, cb-queue has a host of its own`,
            },
          ]
        : [],
    ),
  ];
}
