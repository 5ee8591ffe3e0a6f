/**
 * A context of the nats CLI (`nats context add NAME`): url, creds and ca are taken from it. The format is that of jsm.go, package
 * natscontext: every field is in the file, an unused one is empty.
 */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import { type Mistake, readYamlFile } from "./yaml-file.ts";

export interface NatsContext {
  readonly path: string;
  readonly settings: { readonly url?: string; readonly creds?: string; readonly ca?: string };
}

const schema = v.looseObject({
  url: v.optional(v.string(), ""),
  creds: v.optional(v.string(), ""),
  ca: v.optional(v.string(), ""),
});

/** They change neither the server nor the login, or are this program's own: it has the prefixes of its credential. */
const WITHOUT_EFFECT = [
  "name",
  "description",
  "color_scheme",
  "jetstream_domain",
  "jetstream_api_prefix",
  "jetstream_event_prefix",
  "inbox_prefix",
];

const CREDS_ALONE =
  'is not taken, because the queue knows users by credential files: set "creds" to that of your operator';
const REMEDIES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["user", "password", "token", "nkey", "nsc", "user_jwt", "user_seed"].map((field) => [field, CREDS_ALONE]),
  ),
  cert: 'is not taken, because the queue asks for no certificate: use a context without it, with "creds"',
  key: 'is not taken, because the queue asks for no certificate: use a context without it, with "creds"',
  socks_proxy: "is not possible here: use a network that reaches NATS without a proxy",
  tls_first: "is not possible here: use a context without it",
};
const OTHER = "is not known here: use a context without it, or set NATS_URL, NATS_CREDS and NATS_CA in its place";

/** Names in a hint: more would hide the rest of the message. */
const NAMES_MAX = 10;

/**
 * Reads the context `name` in `folder`, the nats CLI's folder of settings. The selected context (`context.txt`) has no meaning here.
 * Throws CbError "config" for a name that is no file's, a missing context, and with every field that is not taken.
 */
export function natsContext(name: string, folder: string): NatsContext {
  if (name.includes("/") || name.includes("..")) {
    throw new CbError("config", `NATS_CONTEXT=${name} is not the name of a context`, {
      hint: "set it to a name that nats context ls shows",
    });
  }
  const path = join(folder, "context", `${name}.json`);
  if (!existsSync(path)) throw unknownContext(name, path);
  // JSON is YAML, and the reader of YAML names the lines.
  const { url, creds, ca } = readYamlFile(path, schema, mistakesOf);
  return {
    path,
    settings: {
      ...(url === "" ? {} : { url }),
      ...(creds === "" ? {} : { creds: pathOf(creds) }),
      ...(ca === "" ? {} : { ca: pathOf(ca) }),
    },
  };
}

function mistakesOf(content: unknown): Mistake[] {
  const fields = typeof content === "object" && content !== null ? Object.entries(content) : [];
  return fields.flatMap(([field, value]) => {
    if (field === "creds" && /^[a-z][a-z0-9+-]*:/i.test(String(value)))
      return [{ keys: [field], text: "must be the path of a file" }];
    const isTaken = field in schema.entries || WITHOUT_EFFECT.includes(field);
    const isUnset = value === "" || value === false || value === null;
    return isTaken || isUnset ? [] : [{ keys: [field], text: REMEDIES[field] ?? OTHER }];
  });
}

/** As the nats CLI does: a relative path begins in the working directory. */
const pathOf = (text: string): string => resolve(text.replace(/^~(?=\/)/, homedir()));

function unknownContext(name: string, path: string): CbError {
  const folder = resolve(path, "..");
  const names = (existsSync(folder) ? readdirSync(folder) : []).filter((one) => one.endsWith(".json")).sort();
  const known = names.slice(0, NAMES_MAX).map((one) => one.slice(0, -".json".length));
  const more = names.length > NAMES_MAX ? ", …" : "";
  return new CbError("config", `NATS_CONTEXT=${name}, but there is no ${path}`, {
    hint:
      known.length === 0
        ? "make it with nats context add, or unset NATS_CONTEXT"
        : `there are: ${known.join(", ")}${more}`,
  });
}
