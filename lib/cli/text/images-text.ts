/** The output of cb-images, in the format of the original container-builder, which users' scripts parse. */
import type { ImagesReply, RegistryImages } from "../../protocol/images-messages.ts";

/** Printed before each section, and not after the last. */
const RULE = "-----------------------------";

/**
 * A section for each repository of the registries that answered; empty if there is none. If several registries are configured,
 * a section `registry: HOST` precedes the repositories of each, because a recipe's `From:` needs the host.
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

/** Lines for standard error: what that output lacks, with the reason. */
export function imagesNotes({ registries }: ImagesReply): string[] {
  if (registries.length === 0) {
    return ['no registries are configured; an operator sets them under "registries" in the queue\'s configuration'];
  }
  return registries.flatMap(notesOf);
}

function notesOf({ host, images, truncated, refused = 0, error }: RegistryImages): string[] {
  if (error !== undefined) return [error];
  const notes = [
    ...(truncated ? ["the list is truncated; the registry has more repositories or tags"] : []),
    ...(refused > 0 ? [refusedNote(refused)] : []),
  ];
  if (notes.length === 0 && images.length === 0) notes.push("no images");
  return notes.map((note) => `registry ${host}: ${note}`);
}

const refusedNote = (count: number): string =>
  `${count === 1 ? "1 repository is" : `${count} repositories are`} left out, because the registry denies the queue access`;
