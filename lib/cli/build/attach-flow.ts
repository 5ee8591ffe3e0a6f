/** Watching a build that is there already, its own or one that another terminal began. */
import { createKey } from "../../nats/credentials/nkey.ts";
import { attach } from "../../protocol/requests.ts";
import type { Watcher } from "../watch/watch-build.ts";
import { connectToBuild } from "./build-connection.ts";

/** Another connection, with a credential for this build alone; `name` is the file name that its image was to have, `leftMs` how long it may run. */
export async function openBuild(watcher: Pick<Watcher, "session" | "steps" | "interrupted">, build: string) {
  const { session, steps, interrupted: signal } = watcher;
  const key = createKey("user");
  const { jwt, name, leftMs } = await session.ask(attach, { v: 1, build, publicKey: key.publicKey });
  const nc = await connectToBuild({ session, steps, build, credential: { jwt, key }, signal });
  return { nc, name, leftMs };
}
