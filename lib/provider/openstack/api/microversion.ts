/** Which of nova's microversions is spoken. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";

/** Tags with the create came with 2.52 (Pike, 2017); without them a machine would be there for a moment unmarked. */
const OLDEST = 52;
/**
 * The answers that the tests have on record are of 2.79 (Train, 2019), and nothing newer is used. It is fixed, since each
 * newer one may change the shape of an answer; since 2.69 a server in a cell that is down says so.
 */
const NEWEST = 79;

const document = v.object({ version: v.object({ version: v.string() }) });

/** The header's value, for the version document of nova's endpoint. Throws CbError "config" naming what nova speaks. */
export function microversionFor(body: unknown, from: string): string {
  const parsed = v.safeParse(document, body);
  const theirs = parsed.success ? /^2\.(\d+)$/.exec(parsed.output.version.version)?.[1] : undefined;
  if (theirs === undefined) throw new CbError("config", `${from}: nova does not say which microversions it speaks`);
  if (Number(theirs) >= OLDEST) return `2.${Math.min(Number(theirs), NEWEST)}`;
  throw new CbError("config", `${from}: nova speaks microversions up to 2.${theirs}, at least 2.${OLDEST} is needed`);
}
