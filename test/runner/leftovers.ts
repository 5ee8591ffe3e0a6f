/**
 * What a test file left on the machine: processes that carry its mark, its session or its folder, mounts in its folder,
 * and files in its temporary folder.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { runCommand } from "../../infra/tools/setup/run-command.ts";

/** The environment variable that marks every process a test file starts; a test inside a test gets `outer/inner`. */
export const MARK = "CB_TEST_RUN";

/** A process that has its signal and is on its way out is none that was left; under load that takes a moment. */
const LEAVING_MS = 1500;
const LOOK_AGAIN_MS = 50;

export interface Traces {
  readonly mark: string;
  /** The session of the test file's process, which is also its process id. */
  readonly session: number;
  /** The test file's own folder. */
  readonly folder: string;
}

export interface LeftProcess {
  readonly pid: number;
  /** The command line, for people. */
  readonly command: string;
}

function findProcesses(traces: Traces): LeftProcess[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const pid = Number(name);
    if (pid === process.pid || !isAlive(pid)) return [];
    const command = proc(pid, "cmdline").replaceAll("\0", " ").trim();
    return carries(pid, command, traces) ? [{ pid, command: command || proc(pid, "comm").trim() }] : [];
  });
}

/** What is still there after a moment. */
export async function findLastingProcesses(traces: Traces): Promise<LeftProcess[]> {
  const untilMs = performance.now() + LEAVING_MS;
  let left = findProcesses(traces);
  while (left.length > 0 && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    left = findProcesses(traces);
  }
  return left;
}

/** Ends every process with these traces; one may start another meanwhile, so it looks again, ten times at most. */
export async function killProcesses(traces: Traces): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const left = findProcesses(traces);
    if (left.length === 0) return;
    for (const { pid } of left) sendSignal(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** To a process, or with a negative number to a process group. One that is gone needs no signal. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it went by itself. EPERM: it has become somebody else's, and the look that follows reports it.
  }
}

/** Mount points in `folder`, the innermost first. */
export function findMounts(folder: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "));
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}

/** Takes the mounts away and then the folder; never deletes through a mount that cannot be taken away. */
export async function removeFolder(folder: string): Promise<string | undefined> {
  for (const point of findMounts(folder)) await runCommand(["umount", "--lazy", point]);
  if (findMounts(folder).length > 0) return `cannot unmount what is mounted in ${folder}`;
  const remove = ["rm", "-rf", "--one-file-system", "--", folder] as const;
  const plain = await runCommand(remove);
  if (plain.code === 0) return undefined;
  // Files of a sandbox belong to subordinate ids, which only a mapped root may delete.
  const mapped = await runCommand(["unshare", "--map-auto", "--map-root-user", ...remove]);
  return mapped.code === 0 ? undefined : `cannot remove ${folder}: ${plain.output.trim()}`;
}

function carries(pid: number, command: string, { mark, session, folder }: Traces): boolean {
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

/** NaN, which equals nothing, when the process is gone. */
function sessionOf(pid: number): number {
  return Number(statFields(pid)[3]);
}

/** The fields of proc(5) `stat` after the name, which may itself hold spaces and brackets: state, ppid, pgrp, session … */
function statFields(pid: number): string[] {
  const stat = proc(pid, "stat");
  return stat === "" ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Empty when the process is gone or is not ours to look at. */
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
