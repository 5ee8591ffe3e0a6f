/** One lease from beginning to end: recipe, build, log, image. */
import { stat } from "node:fs/promises";
import { CbError, messageOf } from "../lib/core/errors.ts";
import type { JetStreamAccess } from "../lib/nats/jetstream/api.ts";
import { Publisher } from "../lib/nats/jetstream/publisher.ts";
import type { BuildState } from "../lib/protocol/build-messages.ts";
import type { BuildOutcome, Lease } from "../lib/protocol/builder-messages.ts";
import { encode } from "../lib/protocol/codec.ts";
import { bucket, buildStream, subjects } from "../lib/protocol/subjects.ts";
import { LogWriter } from "../lib/transfer/log-writer.ts";
import { chunkSize, newObjectId, putFile } from "../lib/transfer/put.ts";
import { baseImageFailure, LastOutput } from "./base-image-failure.ts";
import { diskFailure } from "./disk-failure.ts";
import { emulatedArchitecture, registerEmulator } from "./emulation.ts";
import { prepare, type WorkDir, writeRecipe } from "./prepare.ts";
import type { QueueClient } from "./queue-client.ts";
import { receiveContext } from "./receive-context.ts";
import { type BuildExit, runBuild } from "./run-build.ts";
import { stepsFor } from "./steps.ts";
import type { Terminal } from "./terminal.ts";

export interface WorkOptions {
  readonly lease: Lease;
  /** JetStream with the rights of this build. */
  readonly js: JetStreamAccess;
  readonly principal: QueueClient;
  /** A folder for this build alone, on a disk with room for the image. */
  readonly folder: string;
  /** Present: the build runs on a pty. */
  readonly terminal: Terminal | undefined;
  readonly signal: AbortSignal;
}

/** The same, with the one publisher that keeps the log and the states of this build in order. */
interface Desk extends WorkOptions {
  readonly publisher: Publisher;
}

/**
 * Output on its way. TLS, the socket and what awaits the garbage collector hold each byte several times, so a large window shows
 * in the agent's memory; this one carries 60 MB/s over a line of 30 ms.
 */
const LOG_WINDOW_BYTES = 2 * 1024 * 1024;

/** How it ended; by then everything it printed is stored. Throws only when `signal` is aborted. */
export async function work(options: WorkOptions): Promise<BuildOutcome> {
  const { js, lease, signal } = options;
  const publisher = new Publisher(js, { stream: buildStream(lease.build), windowBytes: LOG_WINDOW_BYTES, signal });
  const outcome = await attempt({ ...options, publisher });
  await publisher.flush().catch(() => undefined);
  publisher.close();
  signal.throwIfAborted();
  // Whatever the build made of it: what it wrote may not be what is there.
  const trouble = await diskFailure();
  return trouble === undefined ? outcome : { kind: "broken", reason: trouble };
}

async function attempt(options: Desk): Promise<BuildOutcome> {
  try {
    const { lease, js, signal } = options;
    const emulated = emulatedArchitecture(lease.arch);
    if (emulated !== undefined) await registerEmulator(emulated);
    const place = await prepare(lease, options.folder, emulated);
    const { build, context } = lease;
    if (context !== undefined) await receiveContext({ build, context, js, root: place.callersRoot, signal });
    await writeRecipe(lease, place);
    const exit = await buildImage(options, place);
    if (exit.code !== 0) return { kind: "failed", exitCode: exit.code, reason: exit.reason };
    return await storeImage(options, place);
  } catch (error) {
    // The recipe is to blame for what it prints; the builder for all else.
    if (error instanceof CbError && error.kind === "recipe")
      return { kind: "failed", exitCode: 1, reason: [error.message, error.hint].filter(Boolean).join(": ") };
    return { kind: "broken", reason: messageOf(error).slice(0, 1000) };
  }
}

async function buildImage({ lease, publisher, terminal, signal }: Desk, place: WorkDir): Promise<BuildExit> {
  await say(publisher, lease.build, { v: 1, state: "building" });
  const last = new LastOutput();
  const log = new LogWriter(publisher, { subject: subjects.log(lease.build), maxBytes: lease.limits.logBytes });
  try {
    const exit = await runBuild(stepsFor(lease.recipe, place), {
      cwd: place.context,
      env: place.environment,
      terminal,
      limitMs: lease.limits.buildMs,
      write: (chunk) => {
        last.add(chunk);
        return log.write(chunk);
      },
      signal,
    });
    const trouble = exit.code === 0 ? undefined : baseImageFailure(last.text());
    return trouble === undefined ? exit : { ...exit, reason: `${exit.reason}: ${trouble}` };
  } finally {
    await log.end();
  }
}

/** Storage is freed when others fetch their images; who cannot have any by then is better told. */
const ROOM_MS = 10 * 60_000;

async function storeImage(
  { lease, js, publisher, principal, signal }: Desk,
  { image: path }: WorkDir,
): Promise<BuildOutcome> {
  const { size } = await stat(path);
  const image = { nuid: newObjectId(), bytes: size, chunkBytes: chunkSize(js) };
  const answer = await principal.ask({ state: "storing", build: lease.build, image }, signal, ROOM_MS);
  if (answer.order !== "space-reserved")
    throw new CbError("infrastructure", `the queue reserved no space for the image: it ordered ${answer.order}`);
  await say(publisher, lease.build, { v: 1, state: "uploading", ...image });
  const { digest } = await putFile(js, path, {
    bucket: bucket(lease.build),
    name: "image",
    nuid: image.nuid,
    chunkBytes: image.chunkBytes,
    signal,
  });
  return { kind: "succeeded", bytes: size, digest };
}

/** In the order of the log. */
const say = (publisher: Publisher, build: string, state: BuildState): Promise<void> =>
  publisher.publish(subjects.state(build), encode(state));
