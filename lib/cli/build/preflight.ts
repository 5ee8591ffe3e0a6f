/** Checks of the recipe file and the image path that need no connection. */
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { CbError, messageOf } from "../../core/errors.ts";
import { type Backend, RECIPE_MAX_BYTES, type Recipe } from "../../protocol/build-messages.ts";
import { backendOf } from "../../recipe/backend.ts";
import { checkTarget } from "../../transfer/target.ts";

/** Throws CbError "usage" for a recipe that is missing, unreadable, a directory, empty, too long, not UTF-8, or of unknown kind. */
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

const READ_ERRORS: Readonly<Record<string, { reason: string; hint: string }>> = {
  ENOENT: {
    reason: "it does not exist",
    hint: "the order is IMAGE RECIPE; a relative path starts at the working directory",
  },
  EACCES: { reason: "you may not read it", hint: "chmod u+r, or ask its owner" },
};

async function readBounded(path: string): Promise<Buffer> {
  try {
    const file = await open(path, "r");
    try {
      const info = await file.stat();
      if (info.isDirectory())
        throw new CbError("usage", `the recipe ${path} is a directory`, {
          hint: "name a file in it",
        });
      const buffer = Buffer.alloc(RECIPE_MAX_BYTES + 1);
      const bytes = await readFully(file, buffer);
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
    const { reason, hint } = READ_ERRORS[code] ?? { reason: code, hint: "name another file" };
    throw new CbError("usage", `cannot read the recipe ${JSON.stringify(path)}: ${reason}`, { hint, cause });
  }
}

/** Reads until the buffer is full or the file ends. A recipe may be a pipe, which returns fewer bytes than requested. */
async function readFully(file: Awaited<ReturnType<typeof open>>, buffer: Buffer): Promise<number> {
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
    throw new CbError("usage", `the recipe ${path} is not UTF-8 text`, { hint: "is it an image?", cause });
  }
}

/** Returns the absolute path. Throws CbError "usage" when the file exists and `force` is false, "output" when it cannot be written. */
export async function checkImagePath(image: string, force: boolean, recipe?: string): Promise<string> {
  if (image === "") throw new CbError("usage", "the image has no name", { hint: "the order is IMAGE RECIPE" });
  const path = resolve(image);
  if (recipe !== undefined && path === resolve(recipe)) {
    throw new CbError("usage", `${image} is the recipe; the image would replace it`, {
      hint: "the order is IMAGE RECIPE",
    });
  }
  await checkTarget({ path, force });
  return path;
}
