import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildAgain, type Helpers } from "../../../agent/layers/build-again.ts";
import { isCacheable, layersFor, watchLayers } from "../../../agent/layers/use-layers.ts";
import type { Clock } from "../../../lib/core/clock.ts";
import type { Lease } from "../../../lib/protocol/builder-messages.ts";

const test = suite("layers");

/** Nothing listens on port 1. */
const layers = { repository: "127.0.0.1:1/layers/u/x86_64", plainHttp: true };

test("isCacheable() refuses mounts with a content that buildah's key of a layer does not have", () => {
  const is = (...lines: string[]) => isCacheable({ backend: "docker", text: ["FROM x", ...lines].join("\n") });
  assert.ok(is("RUN true"));
  assert.ok(is("RUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get update"));
  assert.ok(is("RUN --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/c,ro true"));
  for (const mount of [
    "=type=bind,source=a,target=/a",
    "=target=/a",
    "=type=secret,id=a",
    "=type=ssh",
    "=type=cache,target=/a,from=base",
    "=type=cache,from=base,target=/a",
    '="type=cache,target=/a"',
    "=$MOUNT",
    "=\\",
    " type=bind",
  ])
    assert.not.ok(is(`RUN --mount=type=tmpfs,target=/t --mount${mount} true`), mount);
  for (const line of ["COPY --chown=1:1 a /a", "COPY --chmod=755 a /a", "RUN <<EOF", "COPY <<-'EOF' /a"])
    assert.not.ok(is(line), line);
  assert.not.ok(isCacheable({ backend: "singularity", text: "Bootstrap: docker" }));
});

test("layersFor() gives no layers to a build with secrets", () => {
  const lease = { layers, recipe: { backend: "docker", text: "FROM x" } } as Lease;
  assert.is(layersFor(lease, false), layers);
  assert.is(layersFor(lease, true), undefined);
});

/** Runs builds that end with these outputs. The last one succeeds. Returns the helpers of each, and the lines. */
async function runs(first: Helpers, ...outputs: string[]) {
  const tried: Helpers[] = [];
  const lines: string[] = [];
  const exit = await buildAgain(first, {
    run: async ({ helpers }) => {
      tried.push(helpers);
      return { code: tried.length > outputs.length ? 0 : 125, reason: "" };
    },
    output: () => outputs[tried.length - 1] ?? "",
    notify: async (line) => void lines.push(line),
    signal: new AbortController().signal,
  });
  return { tried, lines, code: exit.code };
}

const PUSH = 'Error: failed pushing cache to {{{"h" "r"} "t"} %!q(bool=false)}: writing blob: denied: full\n';
const BASE = "Error: creating build container: initializing source docker://x: i/o timeout\n";
const MIRRORS = [{ registry: "docker.io", host: "m", plainHttp: true }];

test("buildAgain() goes on with the layers on the builder after a layer could not be pushed", async () => {
  const { tried, lines, code } = await runs({ mirrors: [], layers }, PUSH);
  assert.equal(tried, [
    { mirrors: [], layers },
    { mirrors: [], layers: "local" },
  ]);
  assert.equal(lines, ["container-builder: the cache of layers failed; the build goes on without it"]);
  assert.is(code, 0);
});

test("buildAgain() leaves out one helper for each failure of it, and then the build fails by itself", async () => {
  const { tried, code } = await runs({ mirrors: MIRRORS, layers }, BASE, PUSH, PUSH, BASE);
  assert.equal(tried, [
    { mirrors: MIRRORS, layers },
    { mirrors: [], layers },
    { mirrors: [], layers: "local" },
  ]);
  assert.is(code, 125);
  assert.is((await runs({ mirrors: [] }, PUSH, PUSH)).tried.length, 1);
  assert.is((await runs({ mirrors: MIRRORS, layers }, "make: *** [all] Error 2")).tried.length, 1);
});

test("watchLayers() gives a registry up after three checks without a reply", async () => {
  const lost = new AbortController();
  let sleeps = 0;
  const clock: Clock = { nowMs: () => 0, sleep: async () => void sleeps++ };
  await watchLayers(layers, { lost, signal: new AbortController().signal, clock });
  assert.ok(lost.signal.aborted);
  assert.is(sleeps, 3);
});

test.run();
