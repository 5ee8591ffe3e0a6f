/** cb-images's output, in the shape that people and their scripts know from the original. */
import type { ImagesReply, RegistryImages } from "../../protocol/images-messages.ts";

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
  return registries.flatMap(notesOf);
}

function notesOf({ host, images, truncated, refused = 0, error }: RegistryImages): string[] {
  if (error !== undefined) return [error];
  const notes = [...(truncated ? ["it has more; the list was cut"] : []), ...(refused > 0 ? [keptBack(refused)] : [])];
  if (notes.length === 0 && images.length === 0) notes.push("it has no images");
  return notes.map((note) => `registry ${host}: ${note}`);
}

const keptBack = (count: number): string =>
  count === 1
    ? "it keeps 1 repository from the queue's login; it is left out"
    : `it keeps ${count} repositories from the queue's login; they are left out`;
