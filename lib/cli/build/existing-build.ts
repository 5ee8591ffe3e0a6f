/** Finds a build of the user by its id or the begin of its id, and connects to it. */

import { createKey } from "../../nats/credentials/nkey.ts";
import { isId } from "../../protocol/ids.ts";
import { attach, builds } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";
import { type IdKind, idPrefix, idWithPrefix } from "../short-id.ts";
import { stateText } from "../text/builds-text.ts";
import type { Watcher } from "../watch/watch-build.ts";
import { connectToBuild } from "./build-connection.ts";

const OWN_BUILD: IdKind = { noun: "build", list: "cb-builds" };

/** The whole id. Throws CbError "usage" when `text` is no id, or the prefix of none or several of the user's builds. */
export async function resolveBuildId(session: Session, text: string): Promise<string> {
  const prefix = idPrefix(text, OWN_BUILD);
  if (isId(prefix)) return prefix;
  const { builds: all } = await session.request(builds, { v: 1 });
  const candidates = all.map(({ build, name, state }) => ({ id: build, label: `${name} ${stateText(state)}`.trim() }));
  return idWithPrefix(prefix, candidates, OWN_BUILD);
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
