/** Reads a text that the user names: a recipe or a file of build arguments, from a file, a pipe or standard input. */
import { type FileHandle, open } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import { RECIPE_MAX_BYTES } from "../../protocol/build-messages.ts";
import { decodeRecipe } from "../../recipe/recipe-text.ts";

/** The path that means standard input. */
export const STANDARD_INPUT = "-";

const READ_ERRORS: Readonly<Record<string, { reason: string; hint: string }>> = {
  ENOENT: {
    reason: "it does not exist",
    hint: "the order is IMAGE RECIPE; a relative path starts at the working directory",
  },
  EACCES: { reason: "you may not read it", hint: "chmod u+r, or ask its owner" },
};

/**
 * The text of `path`, or of standard input for `-`; `name` is what the file is, for messages: `recipe`. Bytes that are not UTF-8 pass
 * through, because a comment or a label may be in another encoding. Throws CbError "usage" for a file that is missing, unreadable, a
 * directory, empty, longer than RECIPE_MAX_BYTES or no text, and for a terminal as standard input.
 */
export async function readText(path: string, name: string): Promise<string> {
  const shown = path === STANDARD_INPUT ? `the ${name} from standard input` : `the ${name} ${path}`;
  const bytes = path === STANDARD_INPUT ? await readStandardInput(name) : await readFile(path, name);
  if (bytes.length > RECIPE_MAX_BYTES) {
    throw new CbError("usage", `${shown} is longer than ${RECIPE_MAX_BYTES} bytes`, { hint: "is it an image?" });
  }
  const text = decodeText(bytes, shown);
  if (text.trim() !== "") return text;
  throw new CbError("usage", `${shown} is empty`, {
    hint: 'a definition file begins with "Bootstrap:", a Dockerfile with "FROM"',
  });
}

/** One byte more than the limit at most. */
async function readFile(path: string, name: string): Promise<Buffer> {
  try {
    const file = await open(path, "r");
    try {
      if ((await file.stat()).isDirectory()) {
        throw new CbError("usage", `the ${name} ${path} is a directory`, { hint: "name a file in it" });
      }
      return await readFully(file);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof CbError) throw cause;
    const code = codeOf(cause) || messageOf(cause);
    const failure = readFailure(code);
    const { reason, hint } = READ_ERRORS[code] ?? { reason: code, hint: failure.hint };
    throw new CbError(failure.kind, `cannot read the ${name} ${JSON.stringify(path)}: ${reason}`, { hint, cause });
  }
}

/** Reads until the limit or the end. The file may be a pipe, which returns fewer bytes than requested. */
async function readFully(file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.alloc(RECIPE_MAX_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

async function readStandardInput(name: string): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new CbError("usage", `standard input is a terminal, so there is no ${name} in it`, {
      hint: "write container-builder IMAGE - < FILE, or pipe the recipe into container-builder IMAGE -",
    });
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > RECIPE_MAX_BYTES) break;
  }
  return Buffer.concat(chunks);
}

function decodeText(bytes: Buffer, shown: string): string {
  if (bytes.includes(0)) {
    const hint = "is it an image? Convert a text in UTF-16 to UTF-8";
    throw new CbError("usage", `${shown} is no text: it contains NUL bytes`, { hint });
  }
  const text = decodeRecipe(bytes);
  // A byte that is not UTF-8 takes three in a message.
  if (Buffer.byteLength(text) <= RECIPE_MAX_BYTES) return text;
  const hint = "convert it to UTF-8: iconv -f latin1 -t utf-8";
  throw new CbError("usage", `${shown} has too many bytes that are not UTF-8`, { hint });
}
