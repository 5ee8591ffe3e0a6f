/** Where the next page is: the header `Link` (RFC 8288), as the OCI distribution specification has it for lists. */
import { CbError } from "../core/errors.ts";
import { parameterAt } from "./header-values.ts";

/**
 * The address of `rel="next"`, resolved against the page it came with; undefined on the last page. Throws CbError
 * "infrastructure" when it leads away from the page's origin, where the registry's credential has no business.
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

/** The parameters of one link, up to the comma before the next. */
function parametersAfter(text: string): { relations: string[]; length: number } {
  let relations: string[] = [];
  let at = 0;
  for (let gap = /^\s*;\s*/.exec(text); gap !== null; gap = /^\s*;\s*/.exec(text.slice(at))) {
    const parameter = parameterAt(text.slice(at + gap[0].length));
    at += gap[0].length + (parameter?.length ?? 0);
    // The first one counts (RFC 8288 section 3.3); its value is a list.
    if (parameter?.name === "rel" && relations.length === 0) relations = parameter.value.toLowerCase().split(/\s+/);
    // A parameter without a value.
    if (parameter === undefined) at += /^[^;,]*/.exec(text.slice(at))?.[0].length ?? 0;
  }
  return { relations, length: at };
}
