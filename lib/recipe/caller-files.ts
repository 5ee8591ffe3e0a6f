/** What a definition file wants from its caller's disk. */

const SECTION = /^\s*%(\w+)(.*)$/;
const LOCAL_BOOTSTRAPS = new Set(["localimage", "oci-archive", "docker-archive", "oci"]);

/** The first thing it wants, as the recipe writes it; undefined when it needs nothing but itself. */
export function firstCallerFile(recipe: string): string | undefined {
  let inFiles = false;
  let bootstrap = "";
  for (const line of recipe.split("\n")) {
    const section = SECTION.exec(line);
    if (section !== null) {
      // `%files from STAGE` copies between the stages of the build.
      inFiles = section[1]?.toLowerCase() === "files" && !/^\s+from\s+\S/i.test(section[2] ?? "");
      continue;
    }
    const text = line.replace(/^\s*#.*$/, "").trim();
    if (inFiles && text !== "") return `%files ${text}`;
    const header = /^\s*(bootstrap|from)\s*:\s*(\S+)/i.exec(line);
    if (header === null) continue;
    if (header[1]?.toLowerCase() === "bootstrap") bootstrap = header[2]?.toLowerCase() ?? "";
    else if (LOCAL_BOOTSTRAPS.has(bootstrap)) return `From: ${header[2]}`;
  }
  return undefined;
}
