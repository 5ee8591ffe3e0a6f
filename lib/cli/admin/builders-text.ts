/** The output of `cb-admin builders`: each machine with its state, its age, the reason, and its last console lines. */
import { Help } from "commander";
import type { AdminBuilder, AdminFailure, BuildersReply } from "../../protocol/admin-messages.ts";
import { imageText } from "../../protocol/builder-image.ts";
import { SHORT_ID_CHARS } from "../short-id.ts";
import { fit } from "../text/width.ts";

/** On a terminal of `columns`, lines continue on further ones, which are indented. Ends with a line break. */
export function buildersText({ pools, nowMs }: BuildersReply, columns = Number.POSITIVE_INFINITY): string {
  return pools.map((pool) => section(pool, nowMs, columns)).join("\n");
}

function section(pool: BuildersReply["pools"][number], nowMs: number, columns: number): string {
  const { name, problem, drained, builders, failures } = pool;
  const lines = [
    `pool ${name}: ${builders.length === 1 ? "1 machine" : `${builders.length} machines`}`,
    ...(drained === undefined ? [] : [drainedLine(drained, nowMs)]),
    ...(problem === "" ? [] : [`  the provider's listing is incomplete: ${problem}`]),
    ...builders.flatMap((builder) => builderLines(builder, nowMs)),
    ...(failures.length === 0 ? [] : [`recent failures in pool ${name}:`]),
    ...failures.flatMap((failure) => failureLines(failure, nowMs)),
  ];
  return lines.map((line) => `${fitted(line, columns)}\n`).join("");
}

const FURTHER = "      ";

function fitted(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const begin = line.startsWith(CONSOLE) ? CONSOLE : (/^ */.exec(line)?.[0] ?? "");
  const further = begin === CONSOLE ? CONSOLE : FURTHER;
  // Commander wraps at words, and keeps a word that is longer than a line.
  const texts = new Help().boxWrap(line.slice(begin.length), columns - FURTHER.length).split("\n");
  return texts.map((text, at) => fit((at === 0 ? begin : further) + text, columns)).join("\n");
}

function drainedLine(
  { operator, reason, atMs }: { operator: string; reason: string; atMs: number },
  nowMs: number,
): string {
  return `  drained by ${operator} ${ageText(atMs, nowMs)} ago${reason === "" ? "" : `: ${reason}`}`;
}

function heldLine(
  { operator, reason, untilMs }: { operator: string; reason: string; untilMs: number },
  nowMs: number,
): string {
  return `    held by ${operator} for ${ageText(nowMs, untilMs)} more${reason === "" ? "" : `: ${reason}`}`;
}

function builderLines(builder: AdminBuilder, nowMs: number): string[] {
  const { id, state, machine, sinceMs, reason, fault, host, build, held, builderImage, console, consoleProblem } =
    builder;
  // The machine's state is shown only if it differs from the builder's.
  const machineState =
    machine === "running" || machine === state ? "" : `, machine ${machine === "none" ? "not listed" : machine}`;
  return [
    `${id}  ${state}${machineState}  ${ageText(sinceMs, nowMs)}${host === "" ? "" : `  ${host}`}`,
    `    ${reason}`,
    ...(held === undefined ? [] : [heldLine(held, nowMs)]),
    ...(fault === undefined ? [] : [`    fault: ${fault}`]),
    ...(build === undefined ? [] : [`    build: ${build}`]),
    ...(builderImage === undefined ? [] : [`    image: ${imageText(builderImage)}`]),
    ...(consoleProblem === undefined ? [] : [`    console: ${consoleProblem}`]),
    ...console.map(quoted),
    ...(held === undefined ? [] : [`    to release it: cb-admin release ${shortId(id)}`]),
    ...(state === "other generation" ? [`    to destroy it: cb-admin builders destroy ${shortId(id)}`] : []),
  ];
}

function failureLines({ id, atMs, reason, console }: AdminFailure, nowMs: number): string[] {
  return [`${id}  failed  ${ageText(atMs, nowMs)} ago`, `    ${reason}`, ...console.map(quoted)];
}

/** Marks the line as the machine's, because a hostile builder can print text that looks like that of cb-admin. */
const quoted = (line: string): string => `${CONSOLE}${line}`;
const CONSOLE = "    | ";

const shortId = (id: string): string => id.slice(0, SHORT_ID_CHARS);

/** A short age: "12s", "5m", "3h", "2d". */
export function ageText(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
