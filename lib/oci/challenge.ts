/** How a registry wants to be asked again: the header `WWW-Authenticate` (RFC 9110 section 11.6.1). */
import { parameterAt } from "./header-values.ts";

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** In the header's order; what is neither scheme nor parameter ends the reading. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let parameters = new Map<string, string>();
  let rest = header.trimStart();
  while (rest !== "") {
    // A comma separates parameters as well as challenges: what has no `=` is a scheme.
    const parameter = parameterAt(rest);
    const scheme = parameter === undefined ? /^[\w!#$%&'*+.^`|~-]+/.exec(rest)?.[0] : undefined;
    if (parameter !== undefined) parameters.set(parameter.name, parameter.value);
    else if (scheme !== undefined) {
      parameters = new Map();
      challenges.push({ scheme: scheme.toLowerCase(), parameters });
    } else break;
    rest = rest.slice(parameter?.length ?? scheme?.length).replace(/^[\s,]+/, "");
  }
  return challenges;
}
