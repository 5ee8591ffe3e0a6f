/** The options that choose how a build is shown, and how its image is fetched and where it goes. */
import { basename, extname, join } from "node:path";
import { type Command, Option } from "commander";
import { CbError } from "../../core/errors.ts";
import { PROGRESS_MODES, type ProgressMode } from "../report/progress-modes.ts";
import type { ViewOptions } from "../report/progress-view.ts";

/** Of container-builder and cb-attach. */
export interface ProgressOptions {
  readonly progress?: ProgressMode;
  readonly quiet?: boolean;
  readonly metadataFile?: string;
  readonly reuse?: string;
}

/** Of container-builder alone. */
export interface OutputOptions extends ProgressOptions {
  readonly detach?: boolean;
  readonly output?: string;
}

/** The image path that means standard output. */
export const STANDARD_OUTPUT = "-";

export function addProgressOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--progress <form>",
        "how the build is shown (default: auto); json: events, one a line, on standard error",
      ).choices(PROGRESS_MODES),
    )
    .addOption(new Option("-q, --quiet", "print the path of the image alone: --progress quiet").conflicts("progress"))
    .option("--metadata-file <file>", "write how the build ended, as JSON; also after a failure")
    .option("--reuse <image>", "an older image on this machine: only the parts that it lacks are fetched");
}

export function addOutputOptions(command: Command): Command {
  return addProgressOptions(command)
    .option("--detach", "print the id of the build and end; cb-attach shows the build and fetches its image")
    .option("-o, --output <directory>", "where IMAGE is stored; - writes the image to standard output");
}

/** Throws CbError "usage" for an image that would be written to a terminal. */
export function viewOptions(options: OutputOptions, image: string): ViewOptions {
  const imageToOutput = image === STANDARD_OUTPUT;
  if (imageToOutput && process.stdout.isTTY && !options.detach) {
    throw new CbError("usage", "an image is not written to a terminal", { hint: "redirect standard output: > x.sif" });
  }
  const { metadataFile } = options;
  return { mode: options.quiet ? "quiet" : (options.progress ?? "auto"), imageToOutput, metadataFile };
}

export interface ImagePlace {
  /** A path, or STANDARD_OUTPUT. */
  readonly path: string;
  /** The file name of the image, by which cb-builds shows the build. */
  readonly name: string;
}

/** `recipe`: its name is that of an image that is written to standard output. `-` and `.` have no name. */
export function imagePlace(image: string, recipe: string, { output }: OutputOptions): ImagePlace {
  if (image === STANDARD_OUTPUT) {
    const name = basename(recipe, extname(recipe));
    return { path: STANDARD_OUTPUT, name: /^[-.]*$/.test(name) ? "image.sif" : `${name}.sif` };
  }
  if (output === STANDARD_OUTPUT) return { path: STANDARD_OUTPUT, name: basename(image) };
  const path = output === undefined || image === "" ? image : join(output, basename(image));
  return { path, name: basename(image) };
}
