/** All that can be found wrong before anything is sent. */
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { CbError, messageOf } from "../../core/errors.ts";
import { type Backend, RECIPE_MAX_BYTES, type Recipe } from "../../protocol/build-messages.ts";
import { backendOf } from "../../recipe/backend.ts";
import { checkTarget } from "../../transfer/receive-file.ts";

/** Throws CbError "usage" on a recipe that is missing, unreadable, a folder, empty, too long, no text, of no known kind. */
export async function readRecipe(
  path: string,
  backend: Backend | undefined,
  buildArgs?: Recipe["buildArgs"],
): Promise<Recipe> {
  const text = decodeText(await readBounded(path), path);
  if (text.trim() === "")
    throw new CbError("usage", `the recipe ${path} is empty`, {
      hint: 'a definition file begins with "Bootstrap:", a Dockerfile with "FROM"',
    });
  return { backend: backend ?? backendOf(text, path), text, ...(buildArgs === undefined ? {} : { buildArgs }) };
}

const UNREADABLE: Readonly<Record<string, { why: string; hint: string }>> = {
  ENOENT: { why: "it does not exist", hint: "the recipe comes last: IMAGE RECIPE; its path starts where you are" },
  EACCES: { why: "you may not read it", hint: "chmod u+r, or ask its owner" },
};

async function readBounded(path: string): Promise<Buffer> {
  try {
    const file = await open(path, "r");
    try {
      const info = await file.stat();
      if (info.isDirectory())
        throw new CbError("usage", `the recipe ${path} is a directory`, { hint: "name the file in it" });
      const buffer = Buffer.alloc(RECIPE_MAX_BYTES + 1);
      const bytes = await fill(file, buffer);
      if (bytes <= RECIPE_MAX_BYTES) return buffer.subarray(0, bytes);
      throw new CbError("usage", `the recipe ${path} is longer than ${RECIPE_MAX_BYTES} bytes`, {
        hint: "is it an image?",
      });
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof CbError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
    const { why, hint } = UNREADABLE[code] ?? { why: code, hint: "name another file" };
    throw new CbError("usage", `cannot read the recipe ${JSON.stringify(path)}: ${why}`, { hint, cause });
  }
}

/** A recipe may come from a pipe, which gives what it has and not what is asked for. */
async function fill(file: Awaited<ReturnType<typeof open>>, buffer: Buffer): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

function decodeText(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CbError("usage", `the recipe ${path} is not text in UTF-8`, { hint: "is it an image?", cause });
  }
}

/** The absolute path. Throws CbError "usage" when it exists and may not be replaced, "output" when it cannot be written. */
export async function checkImagePath(image: string, force: boolean, recipe?: string): Promise<string> {
  if (image === "")
    throw new CbError("usage", "the image has no name", { hint: "the image comes first: IMAGE RECIPE" });
  const path = resolve(image);
  if (recipe !== undefined && path === resolve(recipe)) {
    throw new CbError("usage", `${image} is the recipe; the image would replace it`, {
      hint: "the image comes first: IMAGE RECIPE",
    });
  }
  await checkTarget({ path, force });
  return path;
}
