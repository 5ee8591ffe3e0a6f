/** `cb-admin builders`: each machine with its state, its age, why, and what it printed last. */
import type { AdminBuilder, AdminFailure, BuildersReply } from "../../protocol/admin-messages.ts";
import { imageText } from "../../protocol/builder-image.ts";
import { ageText } from "./age.ts";

/** Ends with a line break. */
export function buildersText({ pools, nowMs }: BuildersReply): string {
  return pools.map((pool) => section(pool, nowMs)).join("\n");
}

function section({ name, problem, builders, failures }: BuildersReply["pools"][number], nowMs: number): string {
  const lines = [
    `pool ${name}: ${builders.length === 1 ? "1 machine" : `${builders.length} machines`}`,
    ...(problem === "" ? [] : [`  the provider cannot be listed in full: ${problem}`]),
    ...builders.flatMap((builder) => builderLines(builder, nowMs)),
    ...(failures.length === 0 ? [] : [`failed lately in pool ${name}:`]),
    ...failures.flatMap((failure) => failureLines(failure, nowMs)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function builderLines(builder: AdminBuilder, nowMs: number): string[] {
  const { id, state, machine, sinceMs, reason, fault, host, build, builderImage, console, consoleProblem } = builder;
  // A machine that does what its builder's state says is not worth a word.
  const word =
    machine === "running" || machine === state ? "" : `, machine ${machine === "none" ? "not listed" : machine}`;
  return [
    `${id}  ${state}${word}  ${ageText(sinceMs, nowMs)}${host === "" ? "" : `  ${host}`}`,
    `    ${reason}`,
    ...(fault === undefined ? [] : [`    fault: ${fault}`]),
    ...(build === undefined ? [] : [`    build: ${build}`]),
    ...(builderImage === undefined ? [] : [`    image: ${imageText(builderImage)}`]),
    ...(consoleProblem === undefined ? [] : [`    console: ${consoleProblem}`]),
    ...console.map(printed),
    ...(state === "other generation" ? [`    to destroy it: cb-admin builders destroy ${id}`] : []),
  ];
}

function failureLines({ id, atMs, reason, console }: AdminFailure, nowMs: number): string[] {
  return [`${id}  failed  ${ageText(atMs, nowMs)} ago`, `    ${reason}`, ...console.map(printed)];
}

/** Marked, since a builder may print what looks like our own words. */
const printed = (line: string): string => `    | ${line}`;
