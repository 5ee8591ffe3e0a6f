/** Watching a build that is there already, its own or one that another terminal began. */
import { createKey } from "../auth/nkey.ts";
import { connectBus } from "../bus/connect.ts";
import { attach } from "../bus/registry.ts";
import type { Session } from "./session.ts";

/** Another connection, with a credential for this build alone; `name` is the file name that its image was to have, `leftMs` how long it may run. */
export async function openBuild(session: Session, build: string) {
  const key = createKey("user");
  const { jwt, name, leftMs } = await session.ask(attach, { v: 1, build, publicKey: key.publicKey });
  const nc = await connectBus({ address: session.address, credential: { jwt, key }, name: `build ${build}` });
  return { nc, name, leftMs };
}
