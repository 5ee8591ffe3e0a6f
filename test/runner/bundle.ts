/**
 * Bundles the test files into JavaScript once for a run, so that none of its more than 100 processes starts a compiler. A process
 * with tsx takes 0.9 s of processor time before the first line of its test, a process without it 0.2 s (measured).
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildFailure, build, type Plugin } from "esbuild";
import { REQUIRE } from "../../infra/tools/build.ts";
import { CbError } from "../../lib/core/errors.ts";

/** The name of the constant that keepPlaces adds to each source. The bundler renames it in each module. */
const PLACE = "placeOfSource";
const PLACES = Object.fromEntries(
  ["url", "filename", "dirname"].map((name) => [`import.meta.${name}`, `${PLACE}.${name}`]),
);
/** The maximum number of compile errors that a message lists. */
const SHOWN_ERRORS = 10;

export interface BundledTests {
  /** Returns the arguments for Node to run a test file. `path` is relative to the project's root. */
  argv(path: string): readonly string[];
}

/** Throws CbError "usage" when a file does not compile. */
export async function bundleTests(root: string, paths: readonly string[], outDir: string): Promise<BundledTests> {
  const child = "test/runner/child.ts";
  try {
    await build({
      absWorkingDir: root,
      entryPoints: [child, ...paths],
      outbase: root,
      outdir: outDir,
      chunkNames: "chunks/[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node20",
      define: PLACES,
      banner: { js: REQUIRE },
      sourcemap: true,
      sourcesContent: false,
      plugins: [keepPlaces],
      logLevel: "silent",
    });
  } catch (error) {
    if (!(error instanceof Error && "errors" in error)) throw error;
    throw new CbError("usage", `the tests do not compile:\n${messagesOf(error as BuildFailure)}`, { cause: error });
  }
  const bundled = (path: string): string => join(outDir, path.replace(/\.ts$/, ".js"));
  return { argv: (path) => ["--enable-source-maps", bundled(child), bundled(path)] };
}

/** `import.meta` of a bundled module is that of its source, so that paths relative to the source stay valid. */
const keepPlaces: Plugin = {
  name: "keep-places",
  setup({ onLoad, onResolve, initialOptions: { absWorkingDir = "" } }) {
    // esbuild is not bundled, and the bundle's folder has no node_modules, so it is imported by its path.
    const esbuild = pathToFileURL(createRequire(join(absWorkingDir, "package.json")).resolve("esbuild")).href;
    onResolve({ filter: /^esbuild$/ }, () => ({ path: esbuild, external: true }));
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      if (!text.includes("import.meta.")) return { loader: "ts", contents: text };
      const place = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      return { loader: "ts", contents: `const ${PLACE} = ${JSON.stringify(place)}; ${text}` };
    });
  },
};

function messagesOf({ errors }: BuildFailure): string {
  const lines = errors.map(({ text, location }) => `  ${location?.file}:${location?.line}: ${text}`);
  return lines.slice(0, SHOWN_ERRORS).join("\n");
}
