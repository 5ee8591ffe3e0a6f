/** The version of all programs, from package.json. A bundle contains it. */
import packageJson from "../../package.json" with { type: "json" };

export const VERSION: string = packageJson.version;
