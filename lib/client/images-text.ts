/** cb-images's output, in the shape that people and their scripts know from the original. */
import type { ImagesReply, RegistryImages } from "../bus/images-messages.ts";

/** Before each section, and not after the last one. */
const RULE = "-----------------------------";

/**
 * One section for each repository of the registries that answered; empty when there is none. With several registries
 * configured, a section `registry: HOST` precedes those of each, because a recipe's `From:` needs the host.
 */
export function imagesText({ registries }: ImagesReply): string {
  const answered = registries.filter(({ error }) => error === undefined);
  return answered
    .flatMap(({ host, images }) => [
      ...(registries.length > 1 ? [RULE, `registry: ${host}`] : []),
      ...images.flatMap(section),
    ])
    .map((text) => `${text}\n`)
    .join("");
}

const section = ({ repository, tags }: RegistryImages["images"][number]): string[] => [
  RULE,
  `repository: ${repository}`,
  "tags:",
  ...tags.map((tag) => `- ${tag}`),
];

/** What is missing from that output and why, one line each, for standard error. */
export function imagesNotes({ registries }: ImagesReply): string[] {
  if (registries.length === 0) {
    return ['no registries are configured: the queue\'s configuration names them under "registries"'];
  }
  return registries.flatMap(({ host, images, truncated, error }) => {
    if (error !== undefined) return [error];
    if (truncated) return [`registry ${host}: it has more; the list was cut`];
    return images.length === 0 ? [`registry ${host}: it has no images`] : [];
  });
}
