/** Does one lease from beginning to end: recipe, build, log, image. */
import { CbError, messageOf } from "../lib/core/errors.ts";
import type { SealingKey } from "../lib/core/sealed-box.ts";
import type { JetStreamAccess } from "../lib/nats/jetstream/api.ts";
import { Publisher } from "../lib/nats/jetstream/publisher.ts";
import type { BuildState } from "../lib/protocol/build-messages.ts";
import type { BuildOutcome, Lease } from "../lib/protocol/builder-messages.ts";
import { encode } from "../lib/protocol/codec.ts";
import { buildStream, subjects } from "../lib/protocol/subjects.ts";

import { registriesOf } from "../lib/recipe/base-images.ts";

import { failureCause, withBriefCause } from "../lib/recipe/failure-cause.ts";

import { LogWriter } from "../lib/transfer/log-writer.ts";
import { baseImageFailure, LastOutput, type RegistryAccess } from "./base-image-failure.ts";
import { fetchTree } from "./bootstrap/fetch-tree.ts";
import { deviceFailure } from "./device-failure.ts";
import { diskFailure, fullDisk } from "./disk-failure.ts";
import { emulatedArchitecture, registerEmulator } from "./emulation.ts";
import { buildAgain, type HelpedRun } from "./layers/build-again.ts";
import { LAYERS_AWAY, layersFor, repliedLayers } from "./layers/use-layers.ts";
import { memoryFailure } from "./memory-failure.ts";
import { usableMirrors } from "./mirrors.ts";
import { prepareWorkDir, type WorkDir, writeRecipe, writeRegistries } from "./prepare.ts";
import type { QueueClient } from "./queue-client.ts";
import { receiveContext } from "./receive-context.ts";
import { type BuildExit, runBuild } from "./run-build.ts";
import { keepCopiesInMemory, keepSecrets, openSecrets, type SecretFiles } from "./secrets.ts";
import { stepsFor } from "./steps.ts";
import { type AnnouncedImage, storeImage } from "./store-image.ts";
import type { Terminal } from "./terminal.ts";

export interface WorkOptions {
  readonly lease: Lease;
  /** The id of this builder. */
  readonly builder: string;
  /** Opens the secrets of the lease. */
  readonly sealingKey: SealingKey;
  /** JetStream with the rights of this build. */
  readonly js: JetStreamAccess;
  readonly queue: QueueClient;
  /** A folder for this build alone, on a disk with space for the image. */
  readonly folder: string;
  /** Present: the build runs on a pty. */
  readonly terminal: Terminal | undefined;
  readonly signal: AbortSignal;
}

/** The options, with the one publisher that keeps log and states of this build in order. */
interface AttemptOptions extends WorkOptions {
  readonly publisher: Publisher;
}

/**
 * Limit of output without an acknowledgement from JetStream. TLS, the socket and the garbage collector's backlog hold
 * each byte several times, so a larger window costs the agent memory. This one carries 60 MB/s at a round trip of 30
 * ms.
 */
const LOG_WINDOW_BYTES = 2 * 1024 * 1024;

/**
 * Returns the outcome of the build, when all its output is stored. Throws only the reason of `signal`, when it is
 * aborted.
 */
export async function work(options: WorkOptions): Promise<BuildOutcome> {
  const { js, lease, signal } = options;
  const publisher = new Publisher(js, { stream: buildStream(lease.build), windowBytes: LOG_WINDOW_BYTES, signal });
  const outcome = await runAttempt({ ...options, publisher });
  await publisher.flush().catch(() => undefined);
  publisher.close();
  signal.throwIfAborted();
  // A disk failure outweighs the outcome: the image may differ from the data that the build wrote.
  const failure = await diskFailure();
  return failure === undefined ? outcome : { kind: "broken", reason: failure };
}

async function runAttempt(options: AttemptOptions): Promise<BuildOutcome> {
  try {
    const { lease, js, signal } = options;
    const emulated = emulatedArchitecture(lease.arch);
    if (emulated !== undefined) await registerEmulator(emulated);
    const workDir = await prepareWorkDir(lease, options.folder, emulated);
    await restoreBootstrap(options, workDir);
    const { build, context } = lease;
    if (context !== undefined) await receiveContext({ build, context, js, root: workDir.callersRoot, signal });
    const exit = await buildWithSecrets(options, workDir);
    if (exit.code !== 0) return { kind: "failed", exitCode: exit.code, reason: exit.reason };
    const publishUploading = (image: AnnouncedImage) =>
      publishState(options.publisher, build, { v: 1, state: "uploading", ...image });
    return await storeImage(workDir.image, { ...options, publishUploading });
  } catch (error) {
    // Only an error of kind "recipe" is the recipe's fault; every other error is the builder's.
    if (error instanceof CbError && error.kind === "recipe")
      return { kind: "failed", exitCode: 1, reason: [error.message, error.hint].filter(Boolean).join(": ") };
    return { kind: "broken", reason: messageOf(error).slice(0, 1000) };
  }
}

/** Without the tree of the lease the build takes longer, and nothing else changes. */
async function restoreBootstrap({ lease, js, folder, signal }: AttemptOptions, workDir: WorkDir): Promise<void> {
  const { bootstrap: tree } = lease;
  const { programs, emulated } = workDir;
  if (tree === undefined) return;
  const failure = await fetchTree({ tree, js, folder, programs, emulates: emulated !== undefined, signal });
  if (failure !== undefined) console.log(`no packed tree: ${failure}`);
}

/** The secrets are there only while a program may read them. */
async function buildWithSecrets(options: AttemptOptions, workDir: WorkDir): Promise<BuildExit> {
  const { lease, builder, sealingKey } = options;
  const opened = openSecrets(lease, builder, sealingKey);
  const logins = opened.logins.map(({ registry }) => registry);
  const secrets = await keepSecrets(opened);
  try {
    const hasBuildSecrets = secrets?.secrets !== undefined;
    await writeRecipe(lease, workDir, hasBuildSecrets);
    if (hasBuildSecrets) await keepCopiesInMemory(secrets, workDir.storage);
    return await buildImage({ ...options, logins }, workDir, secrets);
  } finally {
    await secrets?.remove();
  }
}

async function buildImage(
  options: AttemptOptions & Pick<RegistryAccess, "logins">,
  workDir: WorkDir,
  secrets: SecretFiles | undefined,
): Promise<BuildExit> {
  const { lease, publisher, terminal, signal } = options;
  await publishState(publisher, lease.build, { v: 1, state: "building" });
  const last = new LastOutput();
  const log = new LogWriter(publisher, { subject: subjects.log(lease.build), maxBytes: lease.limits.logBytes });
  const write = (chunk: Uint8Array) => {
    last.add(chunk);
    return log.write(chunk);
  };
  const { context: cwd, environment: env } = workDir;
  const limitMs = lease.limits.buildMs;
  const startedMs = performance.now();
  const run = async ({ helpers, signal, onBuilt }: HelpedRun): Promise<BuildExit> => {
    await writeRegistries(lease, workDir, helpers.mirrors);
    const [first, ...rest] = stepsFor(lease.recipe, workDir, { secrets, layers: helpers.layers });
    const after = async () => {
      onBuilt();
      await first.after?.();
    };
    return runBuild([{ ...first, after }, ...rest], { cwd, env, terminal, limitMs, startedMs, write, signal });
  };
  const notify = (text: string) => write(Buffer.from(`${text}\n`));
  try {
    const access = { registries: registriesOf(lease.recipe), logins: options.logins };
    const mirrors = await usableMirrors(lease.mirrors ?? [], access);
    const wanted = layersFor(lease, secrets?.secrets !== undefined);
    const layers = wanted === undefined ? undefined : await repliedLayers(wanted);
    if (wanted !== undefined && layers === undefined) await notify(LAYERS_AWAY);
    const exit = await buildAgain({ mirrors, layers }, { run, output: () => last.text(), notify, signal });
    return exit.code === 0 ? exit : { ...exit, reason: await reasonOf(exit, last.text(), options) };
  } finally {
    await log.end();
  }
}

/** The reason of a failed build as the queue records it: the part of the recipe that failed, and a remedy. `output`: its end. */
async function reasonOf(exit: BuildExit, output: string, options: RemedyOptions): Promise<string> {
  const reason = withBriefCause(exit.reason, failureCause(output, options.lease.recipe));
  const remedy = await remedyFor(output, options);
  return remedy === undefined ? reason : `${reason}: ${remedy}`;
}

type RemedyOptions = Pick<WorkOptions, "lease" | "folder"> & Pick<RegistryAccess, "logins">;

/** The remedy for the user, when the end of the output shows the cause of the failure. */
async function remedyFor(output: string, { lease, folder, logins }: RemedyOptions): Promise<string | undefined> {
  return (
    (await memoryFailure(output)) ??
    (await fullDisk(output, folder)) ??
    baseImageFailure(output, { registries: registriesOf(lease.recipe), logins }) ??
    deviceFailure(output)
  );
}

/** Publishes a state, in order with the log. */
const publishState = (publisher: Publisher, build: string, state: BuildState): Promise<void> =>
  publisher.publish(subjects.state(build), encode(state));
