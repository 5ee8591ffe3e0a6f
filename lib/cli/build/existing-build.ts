/** Finds a build of the user by its id or the begin of its id, and connects to it. */

import { CbError } from "../../core/errors.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import { isId } from "../../protocol/ids.ts";
import { attach, builds } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";
import type { Watcher } from "../watch/watch-build.ts";
import { connectToBuild } from "./build-connection.ts";

/** Four characters: shorter prefixes would soon be ambiguous. */
const PREFIX_MIN_CHARS = 4;

/** The whole id. Throws CbError "usage" when `text` is no id, or the prefix of none or several of the user's builds. */
export async function resolveBuildId(session: Session, text: string): Promise<string> {
  const prefix = text.toLowerCase();
  if (isId(prefix)) return prefix;
  if (prefix.length < PREFIX_MIN_CHARS || !/^[0-9a-f-]+$/.test(prefix)) {
    throw new CbError("usage", `${JSON.stringify(text)} is not the id of a build`, {
      hint: `cb-builds lists your builds; the first ${PREFIX_MIN_CHARS} characters of an id are enough`,
    });
  }
  const { builds: all } = await session.request(builds, { v: 1 });
  const [found, ...others] = all.map(({ build }) => build).filter((build) => build.startsWith(prefix));
  if (found === undefined) {
    throw new CbError("usage", `none of your builds has an id that begins with ${prefix}`, {
      hint: "cb-builds lists your builds",
    });
  }
  if (others.length === 0) return found;
  throw new CbError("usage", `the ids of ${others.length + 1} of your builds begin with ${prefix}`, {
    hint: "give more characters; cb-builds lists your builds",
  });
}

/**
 * Opens a connection with a credential for this build only. `name` is the file name that the build's image was to have, `leftMs`
 * how long the build may still run.
 */
export async function openBuild(watcher: Pick<Watcher, "session" | "steps" | "interrupted">, build: string) {
  const { session, steps, interrupted: signal } = watcher;
  const key = createKey("user");
  const { jwt, name, leftMs } = await session.request(attach, { v: 1, build, publicKey: key.publicKey });
  const nc = await connectToBuild({ session, steps, build, credential: { jwt, key }, signal });
  return { nc, name, leftMs };
}
