/** The parts of a program's help and manual page that commander has no place for: examples, environment variables, exit codes. */
import type { Command } from "commander";
import { type ErrorKind, EXIT_CODES } from "../core/exit-codes.ts";

const VARIABLES = {
  NATS_URL: 'address of NATS, tls://HOST:PORT; overrides "url" in config.yaml',
  NATS_CREDS: 'path of the credential file; overrides "creds" in config.yaml',
  NATS_CA: 'path of the CA certificates of NATS; overrides "ca" in config.yaml',
  NATS_SERVERNAME: 'the name in the certificate of NATS; overrides "servername" in config.yaml',
  NATS_CONTEXT: "a context of the nats CLI: its url, creds and ca come after these variables, before config.yaml",
  QUEUE_HOST: "HOST or HOST:PORT of NATS, if NATS_URL is not set",
  HOME: "your home folder, written ~ here",
  PATH: "where other programs are found",
  XDG_CONFIG_HOME: "parent of container-builder/config.yaml and admin.yaml (default: ~/.config)",
  XDG_CONFIG_DIRS: "the same for the site's config.yaml (default: /etc/xdg)",
  XDG_STATE_HOME: "parent of the local stack's files (default: ~/.local/state)",
  XDG_CACHE_HOME: "parent of the builder images and tools (default: ~/.cache)",
  NATS_SERVER: "path of nats-server (default: found in PATH, else downloaded)",
  CB_MIRROR: "Debian mirror for building the root file systems",
  CB_SECURITY_MIRROR: "Debian security mirror for the same",
  "APPTAINER_*": "options of apptainer build, as APPTAINER_NOTEST=1; SINGULARITY_* count too",
  "OS_*": "login of an OpenStack pool, or where clouds.yaml is, as for the openstack client",
} as const;

export type Variable = keyof typeof VARIABLES;

const FILES = {
  "~/.config/container-builder/config.yaml": "your settings: url, creds, ca, servername, account",
  "/etc/xdg/container-builder/config.yaml": "the same for all users of the machine",
  "~/.config/nats/context/NAME.json": "the context of the nats CLI that NATS_CONTEXT names",
  "~/.local/state/container-builder/local/client/config.yaml": "the settings of a local stack that is up",
  "~/.config/container-builder/admin.yaml": "the operator's settings",
  "/etc/container-builder/admin.yaml": "the same for all operators of the machine",
  "/etc/container-builder/queue.yaml": "the configuration of the queue",
  "/etc/container-builder/registry.yaml": "the configuration of cb-registry",
  "~/.local/state/container-builder/local": "the local stack: its keys, streams and log",
  "~/.cache/container-builder": "root file systems of builders, and tools",
} as const;

type FileName = keyof typeof FILES;

const EXIT_MEANINGS: Readonly<Record<ErrorKind, string>> = {
  recipe: "the recipe failed",
  usage: "an argument, or a file that it names, is wrong",
  unreachable: "NATS or the queue does not answer",
  bug: "a bug in this program",
  output: "the output cannot be written",
  infrastructure: "the infrastructure failed; the same call may work later",
  denied: "the credential does not permit this",
  config: "a setting is missing or wrong",
  cancelled: "interrupted or cancelled",
};

export interface ProgramInfo {
  readonly name: string;
  readonly summary: string;
  /** Command lines, each with its effect. */
  readonly examples: Readonly<Record<string, string>>;
  readonly variables: readonly Variable[];
  /** For the manual page. Default: the files of a user's settings. */
  readonly files?: readonly FileName[];
  /** The failures that it can end with; the help shows their exit codes. */
  readonly failures: readonly ErrorKind[];
  /** Commands in the place of the first argument, which `run` of the program tells apart by it. */
  readonly commands?: readonly Command[];
  /** Effect of --debug; default: an error is printed with its causes. */
  readonly debug?: string;
}

/** Name and effect of each environment variable that the program reads. */
export const variableRows = ({ variables }: ProgramInfo): [string, string][] =>
  variables.map((name) => [name, VARIABLES[name]]);

const CLIENT_FILES: readonly FileName[] = [
  "~/.config/container-builder/config.yaml",
  "/etc/xdg/container-builder/config.yaml",
  "~/.config/nats/context/NAME.json",
  "~/.local/state/container-builder/local/client/config.yaml",
];

/** Path and purpose of each file that the program reads or writes by itself. */
export const fileRows = ({ files = CLIENT_FILES }: ProgramInfo): [string, string][] =>
  files.map((name) => [name, FILES[name]]);

/** Code and meaning, in ascending order. */
export function exitRows({ failures }: ProgramInfo): [string, string][] {
  const codes: [string, string][] = failures.map((kind) => [String(EXIT_CODES[kind]), EXIT_MEANINGS[kind]]);
  codes.sort(([one], [other]) => Number(one) - Number(other));
  return [["0", "success"], ...codes];
}
