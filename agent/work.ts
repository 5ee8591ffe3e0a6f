/** One lease from beginning to end: recipe, build, log, image. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import type { BuildState } from "../lib/bus/build-messages.ts";
import type { Lease, Outcome } from "../lib/bus/builder-messages.ts";
import { encode } from "../lib/bus/codec.ts";
import { GUEST_API_PREFIX, subjects } from "../lib/bus/names.ts";
import { CbError, messageOf } from "../lib/errors.ts";
import { LogWriter } from "../lib/transfer/log-writer.ts";
import { CHUNK_BYTES, newNuid, putFile } from "../lib/transfer/put.ts";
import type { Asker } from "./asker.ts";
import { type BuildExit, runBuild } from "./run-build.ts";

export interface WorkOptions {
  readonly lease: Lease;
  /** A connection with the rights of this build. */
  readonly nc: NatsConnection;
  readonly asker: Asker;
  /** An empty folder on a disk with room for the image. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** How it ended. Throws only when `signal` is aborted. */
export async function work(options: WorkOptions): Promise<Outcome> {
  try {
    const exit = await buildImage(options);
    if (exit.code !== 0) return { kind: "failed", exitCode: exit.code, reason: exit.reason };
    return await storeImage(options);
  } catch (error) {
    options.signal.throwIfAborted();
    // The recipe is to blame for what it writes; the builder for all else.
    if (error instanceof CbError && error.kind === "usage")
      return { kind: "failed", exitCode: 1, reason: error.message };
    return { kind: "broken", reason: messageOf(error).slice(0, 1000) };
  }
}

const imagePath = (folder: string): string => join(folder, "image.sif");

async function buildImage({ lease, nc, folder, signal }: WorkOptions): Promise<BuildExit> {
  const [context, tmp, home] = await Promise.all(["context", "tmp", "home"].map((name) => makeFolder(folder, name)));
  const recipe = join(folder, "recipe.def");
  await writeFile(recipe, lease.recipe.text);
  say(nc, lease.build, { v: 1, state: "building" });
  const log = new LogWriter(nc, { build: lease.build, maxBytes: lease.limits.logBytes });
  try {
    return await runBuild({
      argv: ["apptainer", "build", imagePath(folder), recipe],
      cwd: context ?? folder,
      env: environment(tmp ?? folder, home ?? folder, lease),
      ...(lease.terminal === undefined ? {} : { terminal: lease.terminal }),
      timeoutMs: lease.limits.buildMs,
      write: (chunk) => log.write(chunk),
      signal,
    });
  } finally {
    await log.end();
  }
}

async function makeFolder(parent: string, name: string): Promise<string> {
  const path = join(parent, name);
  await mkdir(path, { recursive: true });
  return path;
}

/** What a login as root has, and nothing of the agent's own environment. */
function environment(tmp: string, home: string, lease: Lease): Record<string, string> {
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: home,
    USER: "root",
    LOGNAME: "root",
    LANG: "C.UTF-8",
    TERM: lease.terminal === undefined ? "dumb" : "xterm-256color",
    TMPDIR: tmp,
    APPTAINER_TMPDIR: tmp,
    APPTAINER_CACHEDIR: join(home, "cache"),
  };
}

async function storeImage({ lease, nc, asker, folder, signal }: WorkOptions): Promise<Outcome> {
  const path = imagePath(folder);
  const { size } = await stat(path);
  const image = { nuid: newNuid(), bytes: size, chunkBytes: CHUNK_BYTES };
  const answer = await asker.ask({ state: "storing", build: lease.build, image }, signal);
  if (answer.order !== "room") throw new CbError("infrastructure", `no room was given for the image: ${answer.order}`);
  say(nc, lease.build, { v: 1, state: "uploading", ...image });
  const { digest } = await putFile(nc, {
    path,
    build: lease.build,
    name: "image",
    nuid: image.nuid,
    apiPrefix: GUEST_API_PREFIX,
    signal,
  });
  return { kind: "succeeded", bytes: size, digest };
}

/** A state that is lost is only news lost: the end comes from the queue. */
function say(nc: NatsConnection, build: string, state: BuildState): void {
  nc.publish(subjects.state(build), encode(state));
}
