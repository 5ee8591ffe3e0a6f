/** The version of all programs, from package.json, so that `npm version` changes one file. esbuild inlines it into the bundles. */
import manifest from "../../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
