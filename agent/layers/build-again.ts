/**
 * Runs the programs of a build, and once more without the mirrors or the cache of layers when those have failed. A build never fails
 * for their sake: what they give can be fetched or made elsewhere.
 */
import type { Layers, Mirror } from "../../lib/protocol/builder-messages.ts";
import { isBaseImageFailure } from "../base-image-failure.ts";
import type { BuildExit } from "../run-build.ts";
import { isLayersFailure, LAYERS_FAILED, watchLayers } from "./use-layers.ts";

/** The services that a build uses beside the registries of its recipe. */
export interface Helpers {
  readonly mirrors: readonly Mirror[];
  /** "local": the layers that the run before has made on this builder. */
  readonly layers?: Layers | "local" | undefined;
}

export interface HelpedRun {
  readonly helpers: Helpers;
  readonly signal: AbortSignal;
  /** To be called when the recipe has run: nothing of the cache is needed then. */
  readonly onBuilt: () => void;
}

export interface AgainOptions {
  readonly run: (how: HelpedRun) => Promise<BuildExit>;
  /** The end of the output of all runs. */
  readonly output: () => string;
  /** Prints a line into the output. */
  readonly notify: (line: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/** apptainer (1.4.5) asks a mirror and then no other address, and no program goes on elsewhere with half a layer. */
const WITHOUT_MIRRORS =
  "container-builder: the registry mirror failed, or does not have the base image; the build starts again without it";

/** Rejects as `run`. */
export async function buildAgain(first: Helpers, options: AgainOptions): Promise<BuildExit> {
  for (let helpers = first; ; ) {
    const exit = await runOnce(helpers, options);
    const next = exit === "lost" || exit.code !== 0 ? without(helpers, exit, options.output()) : undefined;
    if (next === undefined) return exit as BuildExit;
    await options.notify(next.line);
    helpers = next.helpers;
  }
}

/** Fewer helpers, and the line that says so. Undefined: the build failed by itself. */
function without(
  helpers: Helpers,
  exit: BuildExit | "lost",
  output: string,
): { helpers: Helpers; line: string } | undefined {
  const { mirrors, layers } = helpers;
  if (typeof layers === "object" && (exit === "lost" || isLayersFailure(output)))
    return { helpers: { mirrors, layers: "local" }, line: LAYERS_FAILED };
  if (mirrors.length > 0 && isBaseImageFailure(output))
    return { helpers: { mirrors: [], layers }, line: WITHOUT_MIRRORS };
  return undefined;
}

/** "lost": the cache of layers left its checks unanswered, and the programs were ended. */
async function runOnce(helpers: Helpers, { run, signal }: AgainOptions): Promise<BuildExit | "lost"> {
  const { layers } = helpers;
  if (typeof layers !== "object") return run({ helpers, signal, onBuilt: () => undefined });
  const lost = new AbortController();
  const built = new AbortController();
  const watching = watchLayers(layers, { lost, signal: built.signal });
  try {
    return await run({ helpers, signal: AbortSignal.any([signal, lost.signal]), onBuilt: () => built.abort() });
  } catch (error) {
    if (lost.signal.aborted && !signal.aborted) return "lost";
    throw error;
  } finally {
    built.abort();
    await watching;
  }
}
