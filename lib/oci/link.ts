/** Finds the URL of the next page in the header `Link` (RFC 8288), as the OCI distribution specification defines for lists. */
import { CbError } from "../core/errors.ts";
import { parameterAt } from "./header-values.ts";

/**
 * The URL of `rel="next"`, resolved against the URL of the page with the header; undefined on the last page. Throws CbError
 * "infrastructure" when it has another origin than the page, because the registry's credential must not be sent there.
 */
export function nextPage(link: string, page: URL): URL | undefined {
  const target = nextTarget(link);
  if (target === undefined) return undefined;
  const next = URL.canParse(target, page.href) ? new URL(target, page.href) : undefined;
  if (next?.origin !== page.origin) {
    throw new CbError("infrastructure", `the next page is at ${target.slice(0, 200)}, which is not on ${page.origin}`);
  }
  return next;
}

function nextTarget(link: string): string | undefined {
  let rest = link;
  for (let start = /^[\s,]*<([^>]*)>/.exec(rest); start !== null; start = /^[\s,]*<([^>]*)>/.exec(rest)) {
    const { relations, length } = parametersAfter(rest.slice(start[0].length));
    if (relations.includes("next")) return start[1];
    rest = rest.slice(start[0].length + length);
  }
  return undefined;
}

/** Parses the parameters of one link, up to the comma before the next link. */
function parametersAfter(text: string): { relations: string[]; length: number } {
  let relations: string[] = [];
  let at = 0;
  for (let gap = /^\s*;\s*/.exec(text); gap !== null; gap = /^\s*;\s*/.exec(text.slice(at))) {
    const parameter = parameterAt(text.slice(at + gap[0].length));
    at += gap[0].length + (parameter?.length ?? 0);
    // Only the first `rel` counts (RFC 8288 section 3.3). Its value is a list.
    if (parameter?.name === "rel" && relations.length === 0) relations = parameter.value.toLowerCase().split(/\s+/);
    // A parameter without a value: skip it.
    if (parameter === undefined) at += /^[^;,]*/.exec(text.slice(at))?.[0].length ?? 0;
  }
  return { relations, length: at };
}
