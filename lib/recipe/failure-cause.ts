/** Finds in the end of a build's output which part of the recipe failed, with which exit status, and the lines that say why. Pure. */
import { stripVTControlCharacters } from "node:util";
import type { Recipe } from "../protocol/build-messages.ts";
import { instructionsOf } from "./dockerfile/instructions.ts";

export interface FailureCause {
  /** `%post`, or the instruction of a Dockerfile; absent if the output does not show it. */
  readonly place?: string;
  /** Of that instruction in the Dockerfile, from 1. */
  readonly line?: number;
  /** Of the program that failed: apptainer and buildah end with another one. */
  readonly exitStatus?: number;
  /** The last lines of the output without those of apptainer and buildah; without control characters. */
  readonly lines: readonly string[];
}

/** A terminal of 24 lines also shows the error and the command. */
const LINES_MAX = 8;
const LINE_CHARS = 200;

/**
 * `tail`: the end of the output. Without the recipe a Dockerfile's instruction has no line number.
 *
 * The patterns are those of apptainer 1.4.5 ("while running %post section: exit status 7") and of buildah 1.39 ("building at STEP").
 */
export function failureCause(tail: string, recipe: Recipe | undefined): FailureCause {
  const printed = stripVTControlCharacters(tail)
    .split(/\r?\n|\r/)
    .map((line) => line.replace(CONTROL, " ").trimEnd())
    .filter((line) => line !== "");
  const all = printed.slice(printed.findLastIndex((line) => STEP.test(line)) + 1);
  const text = all.join("\n");
  const found = inDefinition(text) ?? inDockerfile(text, recipe);
  // If the place is unknown, their reports are all that there is.
  const lines = found === undefined ? all : all.filter((line) => !OWN_LINE.test(line));
  return { ...found, lines: lines.slice(-LINES_MAX).map(shortened) };
}

/** As in lib/protocol/fields.ts: the output may be hostile, and these lines are printed among the program's own. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** The reports of apptainer and buildah about the failure: the cause has them already. The traces of `set -x` stay. */
const OWN_LINE = /^(FATAL: |Error: |error: |exit status \d+$|subprocess exited with status \d+$)/;

/** apptainer and buildah report each of their steps so; the failure is in the last. */
const STEP = /^(INFO: |(\[\d+\/\d+\] )?STEP \d+\/\d+: )/;

const shortened = (line: string): string => (line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS - 1)}…` : line);

const last = (text: string, pattern: RegExp): RegExpMatchArray | undefined => [...text.matchAll(pattern)].at(-1);

function inDefinition(text: string): Omit<FailureCause, "lines"> | undefined {
  const fatal = last(text, /^FATAL: +While performing build: (.*)$/gm)?.[1];
  const place = fatal === undefined ? undefined : /%(\w+)/.exec(fatal)?.[0];
  if (fatal === undefined || place === undefined) return undefined;
  return { place, ...status(fatal) };
}

function inDockerfile(text: string, recipe: Recipe | undefined): Omit<FailureCause, "lines"> | undefined {
  const failed = last(text, /^Error: building at STEP "(.*)": (.*)$/gm);
  const step = failed?.[1];
  if (step === undefined) return undefined;
  return { place: shortened(step), ...lineOf(step, recipe), ...status(failed?.[2] ?? "") };
}

function status(text: string): Pick<FailureCause, "exitStatus"> {
  const code = last(text, /exit status (\d{1,3})/g)?.[1];
  return code === undefined ? {} : { exitStatus: Number(code) };
}

/** buildah prints an instruction with its variables expanded, so a line is only named if exactly one instruction fits. */
function lineOf(step: string, recipe: Recipe | undefined): Pick<FailureCause, "line"> {
  if (recipe?.backend !== "docker") return {};
  const words = (text: string) => text.replace(/\s+/g, " ").trim();
  const name = /^\w+/.exec(step)?.[0].toLowerCase();
  const named = instructionsOf(recipe.text).filter((instruction) => instruction.name === name);
  const exact = named.filter(
    ({ flags, rest }) => words([name, ...flags, rest].join(" ")) === words(step.replace(/^\w+/, name ?? "")),
  );
  const [only, ...others] = exact.length > 0 ? exact : named;
  return only === undefined || others.length > 0 ? {} : { line: only.line + 1 };
}

/** For example "%post ended with exit status 7"; undefined if neither place nor status is known. */
export function causeText({ place, line, exitStatus }: FailureCause): string | undefined {
  if (place === undefined) return undefined;
  const where = line === undefined ? place : `line ${line} (${place})`;
  return exitStatus === undefined ? `${where} failed` : `${where} ended with exit status ${exitStatus}`;
}

/** The builder's words about the program that failed, at the begin of a reason. A remedy may follow them. */
const PROGRAM_ENDED = /^\w+ build ended with exit code \d+/;

/**
 * The reason of a builder with the cause in place of the program. It names an instruction by its first word alone: buildah expands
 * build arguments in it, and operators read reasons.
 */
export function withBriefCause(reason: string, cause: FailureCause): string {
  const brief = briefText(cause);
  return brief === undefined ? reason : reason.replace(PROGRAM_ENDED, () => brief);
}

/** The same with the whole instruction, for the owner of the build. `reason` may have the brief cause already. */
export function withCause(reason: string, cause: FailureCause): string {
  const [text, brief] = [causeText(cause), briefText(cause)];
  if (text === undefined || brief === undefined) return reason;
  return reason.startsWith(brief) ? `${text}${reason.slice(brief.length)}` : reason.replace(PROGRAM_ENDED, () => text);
}

function briefText({ place, ...rest }: FailureCause): string | undefined {
  const word = /^%?\w+/.exec(place ?? "")?.[0];
  return word === undefined ? undefined : causeText({ ...rest, place: word });
}
