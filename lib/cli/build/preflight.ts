/** Checks of the recipe file and the image path that need no connection. */
import { open, stat } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import { type Backend, RECIPE_MAX_BYTES, type Recipe } from "../../protocol/build-messages.ts";
import { backendOf } from "../../recipe/backend.ts";
import { decodeRecipe } from "../../recipe/recipe-text.ts";
import { checkTarget } from "../../transfer/target.ts";
import { absolute } from "./working-directory.ts";

/**
 * Throws CbError "usage" for a recipe that is missing, unreadable, a directory, empty, too long, not UTF-8, or of unknown kind, and
 * for an ignore file of it that cannot be read; "infrastructure" when the disk or the machine fails.
 */
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
  const kind = backend ?? backendOf(text, path);
  const ignoreFile = kind === "docker" ? await ignoreFileOf(absolute(path)) : undefined;
  return {
    backend: kind,
    text,
    ...(buildArgs === undefined ? {} : { buildArgs }),
    ...(ignoreFile === undefined ? {} : { ignoreFile }),
  };
}

/** In buildah's order (1.39: pkg/parse, ContainerIgnoreFile): the second is used when there is no first. */
const IGNORE_SUFFIXES = [".dockerignore", ".containerignore"];

async function ignoreFileOf(path: string): Promise<string | undefined> {
  for (const suffix of IGNORE_SUFFIXES) {
    const exists = await stat(path + suffix).then(
      () => true,
      (cause: unknown) => {
        const code = codeOf(cause) || messageOf(cause);
        if (ABSENT_CODES.includes(code)) return false;
        // Without its ignore file a build would send the files that it excludes.
        const { kind, hint } = readFailure(code);
        throw new CbError(kind, `cannot read the ignore file ${path}${suffix} (${code})`, { hint, cause });
      },
    );
    if (exists) return path + suffix;
  }
  return undefined;
}

/** Errors of stat(2) for a name without a file, or a name that no file can have. */
const ABSENT_CODES = ["ENOENT", "ENOTDIR", "ENAMETOOLONG"];

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
    const code = codeOf(cause) || messageOf(cause);
    const failure = readFailure(code);
    const { reason, hint } = READ_ERRORS[code] ?? { reason: code, hint: failure.hint };
    throw new CbError(failure.kind, `cannot read the recipe ${JSON.stringify(path)}: ${reason}`, { hint, cause });
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

/** Bytes that are not UTF-8 pass through: a comment or a label may be in another encoding. */
function decodeText(bytes: Buffer, path: string): string {
  if (bytes.includes(0)) {
    const hint = "is it an image? Convert a text in UTF-16 to UTF-8";
    throw new CbError("usage", `the recipe ${path} is no text: it contains NUL bytes`, { hint });
  }
  const text = decodeRecipe(bytes);
  // A byte that is not UTF-8 takes three in a message.
  if (Buffer.byteLength(text) <= RECIPE_MAX_BYTES) return text;
  const hint = "convert it to UTF-8: iconv -f latin1 -t utf-8";
  throw new CbError("usage", `the recipe ${path} has too many bytes that are not UTF-8`, { hint });
}

/** Returns the absolute path. Throws CbError "usage" when the file exists and `force` is false, "output" when it cannot be written. */
export async function checkImagePath(image: string, force: boolean, recipe?: string): Promise<string> {
  if (image === "") throw new CbError("usage", "the image has no name", { hint: "the order is IMAGE RECIPE" });
  const path = absolute(image);
  if (recipe !== undefined && path === absolute(recipe)) {
    throw new CbError("usage", `${image} is the recipe; the image would replace it`, {
      hint: "the order is IMAGE RECIPE",
    });
  }
  await checkTarget({ path, force });
  return path;
}
