/** Finds mistakes in a definition file that apptainer (1.4.5) refuses. The lists were tested with it. */
import { CbError } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { type Section, stagesOf } from "./sections.ts";
import type { Line } from "./template-arguments.ts";

const SECTIONS = [
  ...[
    "help",
    "setup",
    "files",
    "labels",
    "environment",
    "pre",
    "post",
    "runscript",
    "test",
    "startscript",
    "arguments",
  ],
];
/** With the name of an app behind them. */
const APP_SECTIONS = ["appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart"];

const HEADERS = [
  ...["bootstrap", "from", "includecmd", "mirrorurl", "updateurl", "osversion", "include", "library", "registry"],
  ...["namespace", "stage", "product", "user", "regcode", "productpgp", "registerurl", "modules", "fingerprints"],
  ...["confurl", "setopt"],
];
/** Of apptainer 1.5, which a site's builder image may have. */
const LATER_HEADERS = ["keyring", "components", "debootstrapvariant", "pkgmanager", "excludecmd"];

const AGENTS = [
  ...["library", "oras", "shub", "docker", "docker-archive", "oci", "oci-archive", "busybox", "debootstrap", "arch"],
  ...["localimage", "yum", "dnf", "zypper", "scratch"],
];
const LATER_AGENTS = ["buildkit"];
const UNREACHABLE_AGENTS: Readonly<Record<string, string>> = {
  "docker-daemon":
    "a builder has no docker: save the image, docker save -o FILE IMAGE, and write Bootstrap: docker-archive",
};

/** Throws CbError "usage" for an unknown section, header or bootstrap agent, and as stagesOf(). */
export function checkDefinition({ text, buildArgs }: Recipe): void {
  for (const sections of stagesOf(text, buildArgs)) for (const section of sections) checkSection(section);
}

function checkSection({ name, head, rest, lines }: Section): void {
  if (head === undefined) {
    for (const [index, line] of lines.entries()) if (!isContinued(lines[index - 1])) checkHeader(line);
    return;
  }
  // apptainer's message on an indented or empty name is clear, and its parser has the last word.
  if (name === "?" || SECTIONS.includes(name)) return;
  if (!APP_SECTIONS.includes(name)) throw unknown(head, `section %${name}`, nearestSection(name));
  if (rest.trim() === "") {
    throw new CbError("usage", `line ${head.origin + 1}: %${name} names no app`, { hint: `write %${name} NAME` });
  }
}

const nearestSection = (name: string): string | undefined => {
  const found = nearest(name, [...SECTIONS, ...APP_SECTIONS]);
  return found === undefined ? undefined : `%${found}`;
};

const isContinued = (before: Line | undefined): boolean => before?.text.trimEnd().endsWith("\\") ?? false;

/** A line without a colon is left to apptainer. */
function checkHeader(line: Line): void {
  const [, key = "", value = ""] = /^\s*([A-Za-z0-9]+)\s*:(.*)$/.exec(line.text.split("#")[0] ?? "") ?? [];
  const name = key.toLowerCase();
  if (name === "") return;
  if (![...HEADERS, ...LATER_HEADERS].includes(name) && !/^otherurl\d*$/.test(name)) {
    const found = nearest(name, HEADERS);
    throw unknown(line, `header ${key}:`, found === undefined ? undefined : `${found}:`);
  }
  if (name === "bootstrap") checkAgent(line, value.trim());
}

function checkAgent(line: Line, agent: string): void {
  if (agent === "" || agent.endsWith("\\") || [...AGENTS, ...LATER_AGENTS].includes(agent)) return;
  const remedy = UNREACHABLE_AGENTS[agent];
  if (remedy !== undefined)
    throw new CbError("usage", `line ${line.origin + 1}: Bootstrap: ${agent}`, { hint: remedy });
  throw unknown(line, `bootstrap agent ${agent}`, nearest(agent, AGENTS), `known are ${AGENTS.join(", ")}`);
}

function unknown(line: Line, thing: string, meant: string | undefined, otherwise = "correct it"): CbError {
  return new CbError("usage", `line ${line.origin + 1}: there is no ${thing}`, {
    hint: meant === undefined ? otherwise : `did you mean ${meant}?`,
  });
}
