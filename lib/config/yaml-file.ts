/** Reads one YAML file against its schema, and names every mistake at once, each with its line. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { type Document, isMap, isScalar, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import { CbError, messageOf } from "../core/errors.ts";

/** A configuration is written by hand; nobody writes one of a MiB. */
const CONFIG_MAX_BYTES = 1024 * 1024;

/** Throws CbError "config" when the file cannot be read, or with all that is wrong in it. */
export function readYamlFile<Output>(path: string, schema: v.GenericSchema<unknown, Output>): Output {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  return parseYaml(text, path, schema);
}

/** The same for a text already read; `path` is what the messages name. */
export function parseYaml<Output>(text: string, path: string, schema: v.GenericSchema<unknown, Output>): Output {
  if (text.length > CONFIG_MAX_BYTES) throw new CbError("config", `${path} is longer than ${CONFIG_MAX_BYTES} bytes`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors.map((error) => `${path}:${lines.linePos(error.pos[0]).line}: ${unquoted(error)}`);
  if (syntax.length > 0) throw mistakes(syntax);
  const result = v.safeParse(schema, contentOf(document, path) ?? {});
  if (result.success) return result.output;
  throw mistakes(result.issues.map((issue) => describe(issue, path, lineOf(issue, document.contents, lines))));
}

/** A password that is not in quotes may read as the name of an anchor. */
function contentOf(document: Document.Parsed, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw mistakes([`${path}: ${unquoted(error)}; a value that begins with * or & has to be in quotes`]);
  }
}

/** What the parser quotes of the file comes after a colon, and may be a secret. */
const unquoted = (error: unknown): string => messageOf(error).split(":", 1)[0] ?? "";

function mistakes(list: string[]): CbError {
  const many = list.length === 1 ? "one mistake" : `${list.length} mistakes`;
  return new CbError("config", `the configuration has ${many}\n${list.map((text) => `  ${text}`).join("\n")}`);
}

function describe(issue: v.GenericIssue, path: string, line: number): string {
  const field = v.getDotPath(issue);
  const unknown = issue.type === "strict_object" && issue.expected === "never";
  const missing = issue.received === "undefined";
  const text = unknown ? "is not a setting" : missing ? "is missing" : issue.message;
  return `${path}:${line}: ${field ?? "the file"}: ${text}`;
}

/** The line of the deepest node on the issue's path that the file has. */
function lineOf(issue: v.GenericIssue, root: ParsedNode | null, lines: LineCounter): number {
  let node: Node | null | undefined = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of issue.path ?? []) {
    const key: unknown = step.key;
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
