/**
 * Uses the layers that the user's earlier Dockerfiles have left on the site's registry, and leaves new ones there. Without them a build
 * is slower, and it never fails for their sake.
 */
import { type Clock, systemClock } from "../../lib/core/clock.ts";
import { isReplying } from "../../lib/oci/is-replying.ts";
import type { Recipe } from "../../lib/protocol/build-messages.ts";
import type { Layers, Lease } from "../../lib/protocol/builder-messages.ts";

/** The registry replies in milliseconds. */
const REPLY_MS = 2_000;
const CHECK_MS = 5_000;
/** With the pauses between them a frozen registry holds a build for 21 s at most. */
const FAILED_CHECKS_MAX = 3;

export const LAYERS_AWAY = "container-builder: the cache of layers does not reply; the build goes on without it";
export const LAYERS_FAILED = "container-builder: the cache of layers failed; the build goes on without it";

/** HOST[:PORT]. */
export const hostOf = ({ repository }: Layers): string => repository.split("/")[0] ?? "";

const isThere = (layers: Layers): Promise<boolean> =>
  isReplying({ host: hostOf(layers), plainHttp: layers.plainHttp }, REPLY_MS);

/**
 * The layers that this build may use. None with build secrets, because a step may have written one into its layer, and none for a
 * recipe that buildah (1.39) would take wrong layers for.
 */
export const layersFor = ({ layers, recipe }: Lease, hasBuildSecrets: boolean): Layers | undefined =>
  layers === undefined || hasBuildSecrets || !isCacheable(recipe) ? undefined : layers;

/** A mount that buildah's key of a layer covers: an empty folder. The key does not have the content of any other. */
const EMPTY_MOUNT = /^type=(?:cache|tmpfs)(?:,(?!from=)[a-z]+(?:=[^,"']*)?)*$/;

/** Not proven to be in buildah's key: here-documents, and owner and mode of copied files. */
const UNPROVEN = /<<|--ch(?:own|mod)\b/;

/** Exported for tests. */
export function isCacheable({ backend, text }: Pick<Recipe, "backend" | "text">): boolean {
  const mounts = [...text.matchAll(/--mount(?:=(\S*)|(?=\s))/g)].map(([, mount = ""]) => mount);
  return backend === "docker" && !UNPROVEN.test(text) && mounts.every((mount) => EMPTY_MOUNT.test(mount));
}

/** The layers if their registry replies. */
export const repliedLayers = async (layers: Layers): Promise<Layers | undefined> =>
  (await isThere(layers)) ? layers : undefined;

/** True when buildah ended because it could not push a layer. A pull that fails is a step that runs. */
export const isLayersFailure = (output: string): boolean => /^Error: failed pushing cache to /m.test(output);

/** Aborts `lost` when the registry has left three checks unanswered: buildah itself would wait for it. Returns at the abort of `signal`. */
export async function watchLayers(
  layers: Layers,
  { lost, signal, clock = systemClock }: { lost: AbortController; signal: AbortSignal; clock?: Clock },
): Promise<void> {
  for (let failed = 0; failed < FAILED_CHECKS_MAX; ) {
    await clock.sleep(CHECK_MS, signal);
    if (signal.aborted) return;
    failed = (await isThere(layers)) ? 0 : failed + 1;
  }
  lost.abort();
}
