/** Reads a YAML file and checks it against a schema. One error reports every mistake, each with its line. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { type Document, isMap, isScalar, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import { CbError, codeOf, messageOf } from "../core/errors.ts";
import { settingsFailure } from "../core/read-failure.ts";

/** 1 MiB: configurations are written by hand and have a few KiB. */
const CONFIG_MAX_BYTES = 1024 * 1024;

const MISSING = "write it, or name another file: --help shows how";
const READ_HINTS: Readonly<Record<string, string>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  EISDIR: "name a file instead of a folder",
  EACCES: "make it readable for the user that runs this program",
};

/** A mistake that no schema finds, such as a missing file. */
export interface Mistake {
  /** Names of fields and indexes of lists, from the top of the file. */
  readonly keys: readonly (string | number)[];
  /** The problem, with its remedy. */
  readonly text: string;
}

/** Gets the content of the file, which may break the schema, so that one error reports the mistakes of both. */
export type ContentCheck = (content: unknown) => readonly Mistake[];

/** Throws CbError "config" when the file cannot be read, or with every mistake in it; "infrastructure" when the machine fails. */
export function readYamlFile<Output>(
  path: string,
  schema: v.GenericSchema<unknown, Output>,
  check?: ContentCheck,
): Output {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw settingsFailure(`cannot read ${path}: ${messageOf(cause)}`, cause, READ_HINTS[codeOf(cause)]);
  }
  return parseYaml(text, path, schema, check);
}

/** The same for a text that was read already; `path` is for the messages. Undefined: the text is in no file, and has no lines. */
export function parseYaml<Output>(
  text: string,
  path: string | undefined,
  schema: v.GenericSchema<unknown, Output>,
  check: ContentCheck = () => [],
): Output {
  if (text.length > CONFIG_MAX_BYTES) {
    throw new CbError("config", `${path ?? "the text"} is longer than ${CONFIG_MAX_BYTES} bytes`);
  }
  const place = (line: number) => (path === undefined ? "" : `${path}:${line}: `);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors.map((error) => `${place(lines.linePos(error.pos[0]).line)}${withoutQuote(error)}`);
  if (syntax.length > 0) throw configError(syntax);
  const content = contentOf(document, path ?? "the text") ?? {};
  const result = v.safeParse(schema, content);
  const line = (keys: readonly unknown[]) => lineOf(keys, document.contents, lines);
  const further = check(content).map(({ keys, text: mistake }) => `${place(line(keys))}${keys.join(".")}: ${mistake}`);
  if (result.success && further.length === 0) return result.output;
  const issues = (result.issues ?? []).map((issue) => describe(issue, place(line(keysOf(issue)))));
  throw configError([...issues, ...further]);
}

/** Throws CbError "config" on an unknown alias: a password without quotes may begin with `*`. */
function contentOf(document: Document.Parsed, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw configError([`${path}: ${withoutQuote(error)}; put a value that begins with * or & in quotes`]);
  }
}

/** Drops the part after the first colon: there the parser quotes the file, which may be a secret. */
const withoutQuote = (error: unknown): string => messageOf(error).split(":", 1)[0] ?? "";

function configError(mistakes: readonly string[]): CbError {
  const count = mistakes.length === 1 ? "one mistake" : `${mistakes.length} mistakes`;
  return new CbError("config", `the configuration has ${count}\n${mistakes.map((text) => `  ${text}`).join("\n")}`);
}

function describe(issue: v.GenericIssue, place: string): string {
  const field = v.getDotPath(issue);
  const unknown = issue.type === "strict_object" && issue.expected === "never";
  const missing = issue.received === "undefined";
  const text = unknown ? "is not a setting" : missing ? "is missing" : issue.message;
  return `${place}${field ?? "the file"}: ${text}`;
}

const keysOf = (issue: v.GenericIssue): unknown[] => (issue.path ?? []).map(({ key }) => key as unknown);

/** The line of the deepest node on the path that exists in the file. */
function lineOf(keys: readonly unknown[], root: ParsedNode | null, lines: LineCounter): number {
  let node: Node | null | undefined = root;
  let offset = root?.range?.[0] ?? 0;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (node !== null && typeof node === "object" && "items" in node && typeof key === "number") {
      node = node.items[key] as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}
