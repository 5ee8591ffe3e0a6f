/** Runs .gitlab-ci.yml on this machine: gitlab-ci-local, with a Node of its own, because it needs version 22. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { machine } from "node:os";
import { dirname, join } from "node:path";
import { findArchitecture } from "../../../infra/package/architectures.ts";
import { nodeDownload, npmDownload } from "../../../infra/package/downloads.ts";
import { must } from "../../../infra/package/runtime.ts";
import { folders } from "../../../lib/config/folders.ts";

/** The package holds all its dependencies, and the schema of GitLab's files. */
const VERSION = "4.75.1";
/** As `npm view gitlab-ci-local@VERSION dist.integrity` prints it. */
const INTEGRITY = "sha512-ArmGX576uKqTgs4PMCH3FNPED+JhxDLb2Ocb893+aY88RA2sx9gP6L7GvpuHQJkFJRvA5KSq9fD0yyRLaLEydw==";

/** One folder for each version, with the programs of both packages. */
export async function installGitlabCiLocal(): Promise<string> {
  const node = await nodeDownload(findArchitecture(machine()));
  const program = await npmDownload("gitlab-ci-local", VERSION, INTEGRITY);
  const folder = join(folders().cache, "tools", `gitlab-ci-local-${VERSION}-${node.sha256.slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const scratch = await mkdtemp(join(dirname(folder), ".fetching-"));
  try {
    for (const [name, { path }] of [
      ["node", node],
      ["program", program],
    ] as const) {
      await mkdir(join(scratch, name));
      await must(["tar", "-xzf", path, "-C", join(scratch, name), "--strip-components=1"]);
    }
    await rename(scratch, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
}

export interface Pipeline {
  /** The clone of the project. */
  readonly cwd: string;
  /** Where it keeps the copies of the files, the artifacts and the logs of the jobs. Relative to `cwd`. */
  readonly stateDir: string;
  /** A folder in place of the user's home. */
  readonly home: string;
  /** Absent: the pipeline of a branch. */
  readonly tag?: string;
  /** Default: .gitlab-ci.yml. */
  readonly file?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** In front of the command. */
  readonly prefix?: readonly string[];
}

export interface PipelineResult {
  readonly code: number;
  /** Standard output and error. */
  readonly output: string;
}

/**
 * Runs the command with `args`: names of jobs, or options. Never rejects for a job that fails. The folders with file variables of the
 * jobs stay in /tmp, named by the project.
 */
export async function runPipeline(pipeline: Pipeline, args: readonly string[]): Promise<PipelineResult> {
  const folder = await installGitlabCiLocal();
  const { cwd, stateDir, home, tag, file = ".gitlab-ci.yml", variables = {}, prefix = [] } = pipeline;
  const all = { ...variables, ...(tag === undefined ? {} : { CI_COMMIT_TAG: tag }) };
  const command = [
    ...prefix,
    join(folder, "node/bin/node"),
    join(folder, "program/dist/index.js"),
    ...["--home", home, "--state-dir", stateDir, "--file", file, "--concurrency", "1"],
    ...["--force-shell-executor", "--shell-isolation", "--no-artifacts-to-source", "--no-color"],
    ...(tag === undefined ? [] : ["--unset-variable", "CI_COMMIT_BRANCH"]),
    ...Object.entries(all).flatMap(([name, value]) => ["--variable", `${name}=${value}`]),
    ...args,
  ];
  const env = { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: dirname(folders().cache), LC_ALL: "C.UTF-8" };
  const startedMs = Date.now();
  return new Promise((resolve) => {
    const [program = "", ...rest] = command;
    execFile(program, rest, { cwd, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      removeUnnamed(startedMs);
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

/**
 * Removes the folders with file variables, readable for all, that gitlab-ci-local writes before it knows the name of the project, and
 * never uses again. Also those of another run at this time, which does not need them either.
 */
function removeUnnamed(sinceMs: number): void {
  const unnamed = readdirSync("/tmp").filter((name) => name.startsWith("gitlab-ci-local-file-variables-undefined-"));
  for (const path of unnamed.map((name) => join("/tmp", name))) {
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= sinceMs)
      rmSync(path, { recursive: true, force: true });
  }
}

/** Commits all files of the clone. gitlab-ci-local copies tracked files only. */
export function commitAll(cwd: string, message: string): void {
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  execFileSync("git", ["-C", cwd, "add", "--all"]);
  execFileSync("git", ["-C", cwd, ...author, "commit", "--quiet", "--allow-empty", "--message", message]);
}
