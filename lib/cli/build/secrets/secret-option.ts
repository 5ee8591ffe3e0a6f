/** Reads the values of --secret, in docker's grammar, and the files and variables that they name. */
import { type FileHandle, open } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../../core/errors.ts";
import { readFailure } from "../../../core/read-failure.ts";
import { type BuildSecrets, isSecretName, SECRETS_MAX, SECRETS_MAX_BYTES } from "../../../protocol/secret-messages.ts";
import { csvFields } from "../options/binds.ts";
import type { Environment } from "../options/variables.ts";

export interface SecretSource {
  readonly id: string;
  /** A file of the caller, or a variable of the caller's environment. */
  readonly kind: "file" | "env";
  readonly name: string;
}

const HINT = "write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE";
const problem = (text: string, reason: string): CbError =>
  new CbError("usage", `--secret ${text}: ${reason}`, { hint: HINT });

/**
 * `id=NAME[,src=FILE][,env=VARIABLE][,type=file|env]`, a line of CSV. With the id alone it is the variable of that name, else the
 * file, as with docker (buildx: util/buildflags/secrets.go). Throws CbError "usage" for another form.
 */
export function parseSecret(text: string, environment: Environment): SecretSource {
  const { id = "", type, src, env } = fieldsOf(text);
  if (!isSecretName(id)) throw problem(text, "its id is not a name of letters, digits, dots, hyphens and underscores");
  if (type !== undefined && type !== "file" && type !== "env") throw problem(text, `there is no type ${type}`);
  const variable = env ?? (type === "env" ? (src ?? id) : undefined);
  if (variable !== undefined) {
    if (type === "file" || (src ?? variable) !== variable) throw problem(text, "it names a file and a variable");
    return { id, kind: "env", name: variable };
  }
  const isVariable = src === undefined && type === undefined && environment[id] !== undefined;
  return isVariable ? { id, kind: "env", name: id } : { id, kind: "file", name: src ?? id };
}

type Field = "id" | "src" | "env" | "type";

function fieldsOf(text: string): { readonly [key in Field]?: string } {
  const fields: { [key in Field]?: string } = {};
  const all = csvFields(text);
  if (all === undefined) throw problem(text, "has an unclosed quote");
  for (const field of all) {
    const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(field) ?? [];
    const name = KEYS[key.toLowerCase()];
    if (name === undefined) throw problem(text, `${JSON.stringify(field)} is no part of a secret`);
    fields[name] = value;
  }
  return fields;
}

const KEYS: Readonly<Record<string, Field>> = { id: "id", src: "src", source: "src", env: "env", type: "type" };

/** Throws CbError "usage" as parseSecret(), for a source that cannot be read, and for more or larger secrets than a build may have. */
export async function readSecrets(
  sources: readonly SecretSource[],
  environment: Environment,
): Promise<BuildSecrets["secrets"]> {
  if (sources.length > SECRETS_MAX)
    throw new CbError("usage", `${sources.length} secrets; a build has at most ${SECRETS_MAX}`);
  const secrets: BuildSecrets["secrets"] = [];
  let bytes = 0;
  for (const source of sources) {
    if (secrets.some(({ id }) => id === source.id))
      throw new CbError("usage", `--secret id=${source.id} is given twice`, { hint: "give each secret its own id" });
    const value = source.kind === "env" ? variableOf(source, environment) : await readSecretFile(source);
    bytes += value.length;
    if (bytes > SECRETS_MAX_BYTES) {
      throw new CbError("usage", `the secrets have more than ${SECRETS_MAX_BYTES} bytes, from ${source.id} on`, {
        hint: "a secret is a key or a token; let the recipe fetch larger data with it",
      });
    }
    secrets.push({ id: source.id, value: value.toString("base64") });
  }
  return secrets;
}

function variableOf({ id, name }: SecretSource, environment: Environment): Buffer {
  const value = environment[name];
  if (value !== undefined) return Buffer.from(value);
  throw new CbError("usage", `--secret id=${id}: you have no environment variable ${name}`, {
    hint: `export ${name}, or name a file: --secret id=${id},src=FILE`,
  });
}

async function readSecretFile({ id, name }: SecretSource): Promise<Buffer> {
  try {
    const file = await open(name, "r");
    try {
      return await readUpTo(file, SECRETS_MAX_BYTES + 1);
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = codeOf(cause) || messageOf(cause);
    const { kind, hint } = readFailure(code);
    throw new CbError(kind, `--secret id=${id}: cannot read ${JSON.stringify(name)} (${code})`, {
      hint: kind === "usage" ? `name a file that you may read, or a variable: --secret id=${id},env=VARIABLE` : hint,
      cause,
    });
  }
}

/** The file may be a pipe, which returns fewer bytes than requested. */
async function readUpTo(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes);
  let length = 0;
  while (length < maxBytes) {
    const { bytesRead } = await file.read(buffer, length, maxBytes - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
