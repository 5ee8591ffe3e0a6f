/** Naming a build of one's own: by its id, or by the first characters of it. */

import { CbError } from "../../core/errors.ts";
import { isId } from "../../protocol/ids.ts";
import { builds } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";

/** Fewer characters would soon mean another build. */
const PREFIX_MIN_CHARS = 4;

/** The whole id. Throws CbError "usage" for what is none, or means no build of this user's, or several. */
export async function buildNamed(session: Session, text: string): Promise<string> {
  const name = text.toLowerCase();
  if (isId(name)) return name;
  if (name.length < PREFIX_MIN_CHARS || !/^[0-9a-f-]+$/.test(name)) {
    throw new CbError("usage", `${JSON.stringify(text)} is not the id of a build`, {
      hint: `cb-builds lists yours; the first ${PREFIX_MIN_CHARS} characters are enough`,
    });
  }
  const { builds: own } = await session.ask(builds, { v: 1 });
  const [found, other] = own.filter(({ build }) => build.startsWith(name));
  if (found !== undefined && other === undefined) return found.build;
  const message =
    found === undefined ? `no build of yours begins with ${name}` : `${name} begins several builds of yours`;
  throw new CbError("usage", message, { hint: "cb-builds lists them" });
}
