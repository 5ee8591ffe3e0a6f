/** Parses the header `WWW-Authenticate`, which names the authentication that a registry requires (RFC 9110 section 11.6.1). */
import { parameterAt } from "./header-values.ts";

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** By name, in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** The challenges in the header's order. Parsing stops at the first text that is neither a scheme nor a parameter. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let parameters = new Map<string, string>();
  let rest = header.trimStart();
  while (rest !== "") {
    // Commas separate both parameters and challenges, so a token without `=` starts a challenge.
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
