/** What a definition file wants from its caller's disk. */

const SECTION = /^\s*%(\w+)(.*)$/;
const HEADER = /^\s*(bootstrap|from)\s*:\s*(\S+)/i;
const LOCAL_BOOTSTRAPS = new Set(["localimage", "oci-archive", "docker-archive", "oci"]);
/** A header line after a %section belongs to a script, unless a new stage begins: only then it starts with Bootstrap. */
const FILE_SECTIONS = new Set(["files", "appfiles"]);

/** The first thing it wants, as the recipe writes it; undefined when it needs nothing but itself. */
export function firstCallerFile(recipe: string): string | undefined {
  let section = "";
  let header: { bootstrap?: string; from?: string } = {};
  for (const line of recipe.split("\n")) {
    const start = SECTION.exec(line);
    if (start !== null) {
      const wanted = localBase(header);
      if (wanted !== undefined) return wanted;
      header = {};
      section = sectionName(start);
      continue;
    }
    const text = line.replace(/^\s*#.*$/, "").trim();
    if (FILE_SECTIONS.has(section) && text !== "" && !/^bootstrap\s*:/i.test(text)) return `%${section} ${text}`;
    if (section === "" || FILE_SECTIONS.has(section)) header = withHeader(header, line);
  }
  return localBase(header);
}

/** `%files from STAGE` copies between the stages of the build. */
function sectionName([, name = "", rest = ""]: RegExpExecArray): string {
  return /^\s+from\s+\S/i.test(rest) ? `${name.toLowerCase()} from` : name.toLowerCase();
}

function withHeader(header: { bootstrap?: string; from?: string }, line: string) {
  const [, key = "", value = ""] = HEADER.exec(line) ?? [];
  if (key.toLowerCase() === "bootstrap") return { ...header, bootstrap: value.toLowerCase() };
  return key.toLowerCase() === "from" ? { ...header, from: value } : header;
}

const localBase = ({ bootstrap = "", from = "" }: { bootstrap?: string; from?: string }): string | undefined =>
  LOCAL_BOOTSTRAPS.has(bootstrap) && from !== "" ? `From: ${from}` : undefined;
