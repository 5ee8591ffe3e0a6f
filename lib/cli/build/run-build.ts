/** Builds one recipe, from the parsed command line to the image in its place. */

import type { Backend, ReserveRequest } from "../../protocol/build-messages.ts";
import { recipeNotes } from "../../recipe/notes.ts";
import { interruptSignal } from "../interrupt.ts";
import { type ProgressView, progressView, runReported } from "../report/progress-view.ts";
import { Session } from "../session.ts";
import { printText } from "../standard-output.ts";
import { TimeLeft } from "../watch/build-steps.ts";
import { buildFlow } from "./build-flow.ts";
import { readInput } from "./build-input.ts";
import { dryRunText } from "./dry-run.ts";
import { acceptedNote, type BuildOptionValues } from "./options/declare.ts";
import { architectureOf } from "./options/platform.ts";
import { bindVariablesNote } from "./options/variables.ts";
import { type ImagePlace, imagePlace, type OutputOptions, STANDARD_OUTPUT, viewOptions } from "./output-options.ts";
import { checkImagePath } from "./preflight.ts";
import { readContext } from "./read-context.ts";
import { openReused } from "./reused-image.ts";
import { ownReuseRule, sameBuild } from "./same/same-build.ts";
import { collectSecrets } from "./secrets/collect-secrets.ts";

export interface RunOptions extends BuildOptionValues, OutputOptions {
  readonly debug?: boolean;
  readonly dryRun?: boolean;
  /** Undefined: true if standard output is a terminal. */
  readonly tty?: boolean;
  readonly backend?: Backend;
  readonly pool?: string;
}

export interface BuildCall {
  readonly options: RunOptions;
  /** The arguments IMAGE and RECIPE. */
  readonly image: string;
  readonly named: string | undefined;
  /** The options that are not needed. */
  readonly accepted: readonly string[];
  readonly argv: readonly string[];
}

/** Resolves with the exit code. */
export function runBuild(call: BuildCall): Promise<number> {
  const { options, image, named } = call;
  const place = imagePlace(image, options.file ?? named ?? "", options);
  const chosen = viewOptions(options, place.path);
  const view = progressView({ ...chosen, plain: options.tty === false });
  return runReported(view, chosen, () => build({ ...call, place, view }));
}

interface ViewedCall extends BuildCall {
  readonly place: ImagePlace;
  readonly view: ProgressView;
}

async function build({ options, named, accepted, argv, place, view }: ViewedCall): Promise<void> {
  const { steps, report, write } = view;
  const { pool, force = false } = options;
  const arch = architectureOf(options);
  const checkPlace = async (recipe?: string): Promise<string> =>
    place.path === STANDARD_OUTPUT ? place.path : checkImagePath(place.path, force, recipe);
  const imagePath = await checkPlace(options.file ?? named);
  const input = await readInput({ named, options, environment: process.env });
  // The recipe of a folder is known only now.
  await checkPlace(input.path);
  const { recipe } = input;
  const interrupted = interruptSignal();
  const context = await readContext({
    recipe,
    directory: input.directory,
    whole: options.transferContext ?? options.transfer_context ?? false,
    imagePath,
    signal: interrupted,
  });
  const given = await collectSecrets({ recipe, options, environment: process.env, argv });
  const ignored = bindVariablesNote(process.env) ?? [];
  const ofRecipe = [...input.notes, ...recipeNotes(recipe), ...(context?.notes ?? [])];
  const notes = [acceptedNote(accepted) ?? [], ignored, given.notes, ofRecipe].flat();
  for (const note of notes) steps.print(`note: ${note}`);
  const isShown = view.isOutputShown && process.stdout.isTTY;
  const terminal = terminalSize(options.tty ?? isShown);
  const reuse = ownReuseRule(options, { recipe, secrets: given.secrets });
  if (options.dryRun) {
    printText(dryRunText({ input, context, secrets: given.shown, imagePath, arch, pool, terminal, reuse }));
    return;
  }
  const old = await openReused(options.reuse, { steps, imagePath });
  const ended = new AbortController();
  const signal = AbortSignal.any([interrupted, ended.signal]);
  // The files are read and the registries asked while the connection is made.
  const finding = sameBuild(reuse, { recipe, context, secrets: given.secrets, arch, pool, signal });
  finding.catch(() => undefined);
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", steps, view.warn);
    const same = await finding;
    if (same.note !== undefined) steps.print(`note: ${same.note}`);
    await buildFlow({
      session,
      steps,
      report,
      recipe,
      context,
      same,
      // --pull fetches the base image again, as each build does, and keeps the layers upon it.
      rebuildLayers: options.rebuild === true || options.cache === false,
      secrets: given.secrets,
      arch,
      pool,
      imagePath,
      name: place.name,
      detach: options.detach ?? false,
      force,
      old,
      // commander has --no-cache as `cache: false`.
      noCache: options.cache === false,
      terminal,
      window: terminal !== undefined && isShown ? process.stdout : undefined,
      write,
      timeLeft: options.debug ? new TimeLeft(steps) : undefined,
      interrupted,
    });
  } finally {
    ended.abort();
    await old?.close();
    steps.close();
    await session?.close();
  }
}

/** 80 by 24, as a VT100, for --tty without a terminal to measure. */
function terminalSize(enabled: boolean): ReserveRequest["terminal"] {
  if (!enabled) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
