/** Names an image that is made again from the same recipe: the time in UTC, to the second, of characters that folder names may have. */
export const newEdition = (): string => new Date().toISOString().slice(0, 19).replace(/[-:]/g, "");
