/** Shows a build in one of the forms of `--progress`, and ends the program with a summary of it. */
import { once } from "node:events";
import { CbError } from "../../core/errors.ts";
import { EXIT_CODES } from "../../core/exit-codes.ts";
import { checkTarget } from "../../transfer/target.ts";
import { absolute } from "../build/working-directory.ts";
import { Cursor } from "../cursor.ts";
import { errorCursor, isDumbTerminal, printText, writeOutput } from "../standard-output.ts";
import { fromSystemError } from "../system-error.ts";
import { Steps } from "../terminal.ts";
import type { BuildMetadata } from "./build-metadata.ts";
import { BuildReport } from "./build-report.ts";
import { metadataOf, writeMetadata } from "./metadata.ts";
import { eventWriter, messageOutput } from "./progress-event.ts";
import type { ProgressMode } from "./progress-modes.ts";
import { summaryLines } from "./summary-text.ts";

export interface ViewOptions {
  readonly mode: ProgressMode;
  /** Whole lines without escape sequences, also on a terminal. */
  readonly plain?: boolean;
  /** The image goes to standard output, so the build's output goes to standard error. */
  readonly imageToOutput?: boolean;
  /** The file of --metadata-file. */
  readonly metadataFile?: string | undefined;
}

export interface ProgressView {
  readonly steps: Steps;
  readonly report: BuildReport;
  /** The build's output goes to standard output as it is. */
  readonly isOutputShown: boolean;
  /** Receives the build's output. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Shows a warning that is no error, on standard error in each form. */
  readonly warn: (text: string) => void;
  /** Shows the end. `error` is printed by `main`, except in the form json. */
  readonly end: (metadata: BuildMetadata) => void;
}

const ignore = async (): Promise<void> => undefined;

export function progressView({ mode, plain = false, imageToOutput = false }: ViewOptions): ProgressView {
  if (mode === "json") return jsonView();
  if (mode === "quiet") {
    const end = (metadata: BuildMetadata) => printPath(metadata, imageToOutput);
    return {
      steps: new Steps({ write: () => undefined }),
      report: new BuildReport(),
      isOutputShown: false,
      write: ignore,
      warn: (text) => process.stderr.write(`warning: ${text}\n`),
      end,
    };
  }
  const cursor = imageToOutput ? new Cursor() : errorCursor();
  const steps = new Steps(process.stderr, { cursor, plain: plain || mode === "plain" || isDumbTerminal() });
  return {
    steps,
    report: new BuildReport(),
    isOutputShown: !imageToOutput,
    warn: (text) => steps.print(`warning: ${text}`),
    write: imageToOutput ? (bytes) => writeError(bytes, cursor) : writeOutput,
    end: (metadata) => {
      for (const line of summaryLines(metadata)) steps.print(line);
      if (metadata.outcome === "detached" && metadata.exitCode === 0) printText(`${metadata.build}\n`);
    },
  };
}

function jsonView(): ProgressView {
  const emit = eventWriter((line) => process.stderr.write(line));
  const steps = new Steps(messageOutput(emit));
  return {
    steps,
    report: new BuildReport(emit),
    isOutputShown: false,
    write: ignore,
    warn: (text) => steps.print(`warning: ${text}`),
    end: (metadata) => emit({ ...metadata, event: "ended" }),
  };
}

function printPath({ image, build, outcome, exitCode }: BuildMetadata, imageToOutput: boolean): void {
  if (exitCode !== 0) return;
  if (outcome === "detached") printText(`${build}\n`);
  else if (image !== undefined && !imageToOutput) printText(`${image.path}\n`);
}

async function writeError(bytes: Uint8Array, cursor: Cursor): Promise<void> {
  const before = process.stderr.isTTY ? cursor.beforeOutput() : "";
  cursor.afterOutput(bytes);
  if (!process.stderr.write(Buffer.concat([Buffer.from(before), bytes])))
    await once(process.stderr, "drain").catch(() => undefined);
}

/**
 * Runs `work` and returns the exit code. The metadata file is written in any case; its folder is checked before `work` begins. Throws
 * the error of `work`, except that the form json has it in its last event; and CbError "output" when the metadata cannot be written.
 */
export async function runReported(
  view: ProgressView,
  { mode, metadataFile }: ViewOptions,
  work: () => Promise<void>,
): Promise<number> {
  const path = metadataFile === undefined ? undefined : absolute(metadataFile);
  if (path !== undefined) await checkTarget({ path, force: true });
  let thrown: unknown;
  try {
    await work();
  } catch (error) {
    thrown = fromSystemError(error);
  }
  const metadata = metadataOf(view.report, thrown);
  view.steps.close();
  if (path !== undefined) {
    const written = await writeMetadata(path, metadata).catch((error: unknown) => error);
    // The error of the build is the more important one.
    if (written instanceof Error) thrown ??= written;
  }
  view.end(thrown === undefined ? metadata : metadataOf(view.report, thrown));
  if (thrown === undefined) return 0;
  if (mode === "json" && thrown instanceof CbError) return EXIT_CODES[thrown.kind];
  throw thrown;
}
