/** Reads site.yaml: its own schema, and the queue's schema for the parts that it hands on to queue.yaml. */
import * as v from "valibot";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { type Mistake, parseYaml } from "../../../lib/config/yaml-file.ts";
import { queueContent } from "../files/queue-files.ts";
import { queueHosts, type Site, siteSchema } from "./site-schema.ts";

/** The parts of queue.yaml that an operator writes in site.yaml. */
const HANDED_ON: readonly unknown[] = ["pools", "registries", "limits"];
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
  return parsed.success ? [...hostMistakes(parsed.output), ...queueMistakes(parsed.output)] : [];
}

function queueMistakes(site: Site): Mistake[] {
  return queueHosts(site)
    .slice(0, 1)
    .flatMap((host) => v.safeParse(queueConfig, queueContent(site, ANY_ACCOUNT, host)).issues ?? [])
    .flatMap((issue) => {
      const keys = (issue.path ?? []).map(({ key }) => key as string | number);
      if (!HANDED_ON.includes(keys[0])) return [];
      const isUnknown = issue.type === "strict_object" && issue.expected === "never";
      const isMissing = issue.received === "undefined";
      return [{ keys, text: isUnknown ? "is not a setting" : isMissing ? "is missing" : issue.message }];
    });
}

/** One name is one host, so that its files lie in one folder. */
function hostMistakes(site: Site): Mistake[] {
  return (site.queue?.hosts ?? []).flatMap(({ name, address }, index): Mistake[] => {
    const same = site.nats.hosts.find((host) => host.name === name || host.address === address);
    if (same === undefined || (same.name === name && same.address === address)) return [];
    const text = `is ${name} at ${address}, but nats.hosts has ${same.name} at ${same.address}; write the same host alike`;
    return [{ keys: ["queue", "hosts", index], text }];
  });
}
