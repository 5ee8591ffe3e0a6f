/** How a build ended, as JSON: the file of `--metadata-file`, and the event `ended`. Described in docs/json.md. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { EXIT_CODES } from "../../core/exit-codes.ts";
import { outputError } from "../../transfer/target.ts";
import { BuildFailed } from "./build-failed.ts";
import type { BuildMetadata, Outcome } from "./build-metadata.ts";
import type { BuildReport } from "./build-report.ts";

/** `thrown`: the error that the program ends with; undefined if it ends with 0. */
export function metadataOf(report: BuildReport, thrown?: unknown): BuildMetadata {
  const { build, shared, builder, image } = report;
  const error = thrown === undefined ? undefined : errorOf(thrown);
  return {
    v: 1,
    outcome: outcomeOf(report, thrown),
    exitCode: error === undefined ? 0 : EXIT_CODES[error.kind],
    ...(build === undefined ? {} : { build }),
    ...(shared === undefined ? {} : { same: { state: shared.state, ageMs: shared.ageMs } }),
    startedAtMs: report.startedAtMs,
    endedAtMs: Date.now(),
    ...(builder === undefined ? {} : { builder }),
    times: report.times,
    ...(image === undefined ? {} : { image }),
    ...(error === undefined ? {} : { error }),
  };
}

function outcomeOf({ state, build, isDetached }: BuildReport, thrown: unknown): Outcome {
  if (state === "succeeded" || state === "failed" || state === "cancelled" || state === "lost") return state;
  if (build === undefined) return "refused";
  if (isDetached) return "detached";
  return thrown instanceof CbError && thrown.kind === "cancelled" ? "cancelled" : "unknown";
}

function errorOf(error: unknown): NonNullable<BuildMetadata["error"]> {
  if (!(error instanceof CbError)) return { kind: "bug", message: String(error) };
  const { kind, message, hint } = error;
  return {
    kind,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(error instanceof BuildFailed ? { cause: error.failure } : {}),
  };
}

/**
 * Writes the file whole or not at all: into a hidden file beside it, which then gets the name and replaces an earlier file. Throws
 * the error of outputError.
 */
export async function writeMetadata(path: string, metadata: BuildMetadata): Promise<void> {
  const hidden = join(dirname(path), `.${basename(path).slice(0, NAME_CHARS)}.${randomUUID()}.part`);
  try {
    const file = await open(hidden, "wx", 0o666);
    try {
      await file.writeFile(`${JSON.stringify(metadata, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(hidden, path);
  } catch (error) {
    await rm(hidden, { force: true });
    throw outputError(path, error);
  }
}

/** So that the hidden name stays below 255 bytes, also if each character takes four. */
const NAME_CHARS = 40;
