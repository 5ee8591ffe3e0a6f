/** Writes the definition file that stands for a source on the command line: `docker://debian:12`, or an image file. */
import { CbError } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";

/** Pulled by the builder. */
const REMOTE = ["docker", "oras", "library", "shub"];
/** Files or folders of the caller, which travel as context. */
const LOCAL = ["docker-archive", "oci-archive", "oci", "localimage"];
const SOURCES = [...REMOTE, ...LOCAL];

const REMEDIES: Readonly<Record<string, string>> = {
  "docker-daemon": "save the image to a file, docker save -o FILE IMAGE, and build docker-archive:FILE",
  "containers-storage": "save the image to a file, podman save -o FILE IMAGE, and build docker-archive:FILE",
  http: "fetch the file first, curl -LO URL, and build that",
  https: "fetch the file first, curl -LO URL, and build that",
  dir: "copy the image into an archive, skopeo copy dir:FOLDER oci-archive:FILE, and build oci-archive:FILE",
};

const FORMS = "docker://, oras://, library://, docker-archive:FILE and oci-archive:FILE are possible";

/**
 * The definition file. Undefined when `text` has no source before a colon, so that it is a path. Throws CbError "usage" for a source
 * that a builder cannot reach, and as definitionOf().
 */
export function definitionOfUri(text: string): string | undefined {
  const [, source = "", slashes = "", from = ""] = /^([a-z][a-z0-9+.-]*):(\/\/)?(.*)$/s.exec(text) ?? [];
  if (SOURCES.includes(source)) {
    if (from !== "") return definitionOf(source, from);
    throw new CbError("usage", `${text} names no image`, { hint: `write ${source}:${slashes}NAME` });
  }
  const remedy = REMEDIES[source];
  if (remedy !== undefined) throw new CbError("usage", `${text}: a builder cannot reach this source`, { hint: remedy });
  if (slashes === "") return undefined;
  const meant = nearest(source, SOURCES);
  throw new CbError("usage", `${text}: there is no source ${source}://`, {
    hint: meant === undefined ? FORMS : `did you mean ${meant}://? ${FORMS}`,
  });
}

/** `from` is a literal value of a header. Throws CbError "usage" for a text that a header cannot express. */
export function definitionOf(bootstrap: string, from: string): string {
  if (!/[#\p{Cc}]|\{\{|^\s|\s$|\\$/u.test(from)) return `Bootstrap: ${bootstrap}\nFrom: ${from}\n`;
  throw new CbError("usage", `${JSON.stringify(from)} has a character that apptainer does not accept in a source`, {
    hint: "for a file, make a link to it with letters, digits, dots and hyphens in its name, and build that",
  });
}
