/**
 * Finds and removes the leftovers of a test file: processes that have its mark in their environment, belong to its session or use
 * its folder, and mounts in its folder.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { runCommand } from "../../infra/tools/setup/run-command.ts";
import { signalProcess } from "../../lib/core/signal-process.ts";

/** The environment variable that marks each process of a test file. A test run inside a test has the mark `outer/inner`. */
export const MARK = "CB_TEST_RUN";

/** A process that is exiting when the test ends is not a leftover. Under load the exit takes up to a second. */
const EXIT_GRACE_MS = 1500;
const POLL_MS = 50;

export interface Traces {
  readonly mark: string;
  /** The session of the test file's process; it equals that process's id. */
  readonly session: number;
  /** The test file's own folder. */
  readonly folder: string;
}

export interface LeftProcess {
  readonly pid: number;
  /** The command line, for the report. */
  readonly command: string;
}

function findProcesses(traces: Traces): LeftProcess[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const pid = Number(name);
    if (pid === process.pid || !isAlive(pid)) return [];
    const command = proc(pid, "cmdline").replaceAll("\0", " ").trim();
    return belongsTo(pid, command, traces) ? [{ pid, command: command || proc(pid, "comm").trim() }] : [];
  });
}

/** Returns the processes that still run after 1.5 s; returns as soon as there are none. */
export async function findLastingProcesses(traces: Traces): Promise<LeftProcess[]> {
  const untilMs = performance.now() + EXIT_GRACE_MS;
  let left = findProcesses(traces);
  while (left.length > 0 && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    left = findProcesses(traces);
  }
  return left;
}

/** Kills the processes with these traces. Repeats the search up to ten times, because a process may start another meanwhile. */
export async function killProcesses(traces: Traces): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const left = findProcesses(traces);
    if (left.length === 0) return;
    for (const { pid } of left) signalProcess(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Returns the mount points in `folder`, the innermost first. */
export function findMounts(folder: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "));
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}

/**
 * Unmounts everything in the folder, then removes it, and returns the problem if it cannot. Never deletes files through a mount.
 */
export async function removeFolder(folder: string): Promise<string | undefined> {
  for (const point of findMounts(folder)) await runCommand(["umount", "--lazy", point]);
  if (findMounts(folder).length > 0) return `cannot unmount what is mounted in ${folder}`;
  const remove = ["rm", "-rf", "--one-file-system", "--", folder] as const;
  const plain = await runCommand(remove);
  if (plain.code === 0) return undefined;
  // The files of a sandbox belong to subordinate ids; only root of a user namespace that maps these ids may delete them.
  const mapped = await runCommand(["unshare", "--map-auto", "--map-root-user", ...remove]);
  return mapped.code === 0 ? undefined : `cannot remove ${folder}: ${plain.output.trim()}`;
}

function belongsTo(pid: number, command: string, { mark, session, folder }: Traces): boolean {
  if (sessionOf(pid) === session || command.includes(`${folder}/`)) return true;
  const entry = proc(pid, "environ")
    .split("\0")
    .find((line) => line.startsWith(`${MARK}=`));
  const value = entry?.slice(MARK.length + 1) ?? "";
  return value === mark || value.startsWith(`${mark}/`) || `${link(pid, "cwd")}/`.startsWith(`${folder}/`);
}

function isAlive(pid: number): boolean {
  const state = statFields(pid)[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

/** NaN when the process has ended. */
function sessionOf(pid: number): number {
  return Number(statFields(pid)[3]);
}

/** The fields of proc(5) `stat` after the name, which may hold spaces and parentheses: state, ppid, pgrp, session … */
function statFields(pid: number): string[] {
  const stat = proc(pid, "stat");
  return stat === "" ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Empty when the process has ended, or this user may not read the file. */
function proc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}

function link(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}
