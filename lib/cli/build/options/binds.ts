/** Reads the values of --bind and --mount, as apptainer 1.4.5 does (pkg/util/bind). */
import { CbError } from "../../../core/errors.ts";
import type { Bind } from "../../../protocol/build-options.ts";
import { absolute } from "../working-directory.ts";

/**
 * `SRC[:DEST[:ro]]`, several of them with commas between; a backslash makes a colon or comma part of a path. A relative source starts
 * at the working directory. Throws CbError "usage" for an empty or relative destination, and an option other than ro and rw.
 */
export function parseBinds(text: string): Bind[] {
  return split(text, ",").map((spec) => {
    const [source = "", destination, ...options] = split(spec, ":").map((part) => part.replace(/\\([\\:,])/g, "$1"));
    return bindOf(`--bind ${spec}`, source, destination ?? source, options);
  });
}

/** `type=bind,source=SRC,destination=DEST[,ro]`, a line of CSV. Throws CbError "usage" as parseBinds(), and for another type. */
export function parseMount(text: string): Bind {
  const shown = `--mount ${text}`;
  const fields = csvFields(text);
  if (fields === undefined) throw problem(shown, "has an unclosed quote");
  const found: { [key in MountKey]?: string } = {};
  const options: string[] = [];
  for (const field of fields) {
    const [, key = field, value] = /^([^=]*)=(.*)$/s.exec(field) ?? [];
    const name = MOUNT_KEYS[key];
    if (name !== undefined && value !== undefined) found[name] = value;
    else if (key === "ro" || key === "readonly") options.push(value === "false" ? "rw" : "ro");
    else options.push(field);
  }
  if (found.type !== "bind") throw problem(shown, "is no bind: it has no type=bind");
  return bindOf(shown, found.source ?? "", found.destination ?? "", options);
}

/** The fields of a line of CSV. Undefined for an unclosed quote. */
export function csvFields(text: string): string[] | undefined {
  const fields = text.match(/(?:^|,)(?:"(?:[^"]|"")*"|[^,"]*)/g) ?? [];
  if (fields.join("") !== text) return undefined;
  return fields.map((one) =>
    one
      .replace(/^,/, "")
      .replace(/^"(.*)"$/s, "$1")
      .replaceAll('""', '"'),
  );
}

type MountKey = "type" | "source" | "destination";

const MOUNT_KEYS: Readonly<Record<string, MountKey>> = {
  type: "type",
  source: "source",
  src: "source",
  destination: "destination",
  dst: "destination",
  target: "destination",
};

const HINT = "write --bind SRC[:DEST[:ro]], or --mount type=bind,source=SRC,destination=DEST[,ro]";

const problem = (shown: string, text: string): CbError => new CbError("usage", `${shown} ${text}`, { hint: HINT });

function bindOf(shown: string, source: string, destination: string, options: readonly string[]): Bind {
  if (source === "") throw problem(shown, "names no source");
  const target = destination === source ? absolute(source) : destination;
  if (!target.startsWith("/"))
    throw problem(shown, `has the destination ${JSON.stringify(destination)}, which is not absolute`);
  const unknown = options.find((option) => option !== "ro" && option !== "rw");
  if (unknown !== undefined)
    throw problem(shown, `has the option ${JSON.stringify(unknown)}; only ro and rw are possible here`);
  return {
    source: absolute(source),
    destination: target,
    ...(options.includes("ro") ? { readOnly: true as const } : {}),
  };
}

/** At each separator without a backslash before it. */
function split(text: string, separator: string): string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === separator) parts.push("");
    else parts.push(`${parts.pop() ?? ""}${character === "\\" ? text.slice(at, ++at + 1) : character}`);
  }
  return parts;
}
