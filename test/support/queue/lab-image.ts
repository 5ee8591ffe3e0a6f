/** The end of a build in a QueueLab: its agent stores an image and reports the success. */
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { connectNats, guestAccess } from "../../../lib/nats/connection.ts";
import { bucket } from "../../../lib/protocol/subjects.ts";
import { chunkSize, newObjectId, putObject } from "../../../lib/transfer/put.ts";
import type { QueueLab } from "./queue-lab.ts";

/** Waits for the first lease of the build. */
export async function storeImage(
  lab: QueueLab,
  build: string,
  content = Buffer.alloc(300_000, "image"),
): Promise<void> {
  const agent = await lab.leased(build, 1);
  const { installation, url } = lab.nats;
  const address = { url, servername: installation.serverName, ca: readFileSync(installation.files.caFile, "utf8") };
  const nc = await connectNats({ address, credential: { jwt: agent.lease?.jwt ?? "", key: agent.key }, name: "test" });
  const js = guestAccess(nc);
  const nuid = newObjectId();
  await agent.ask({ state: "storing", build, image: { nuid, bytes: content.length, chunkBytes: chunkSize(js) } });
  const { digest } = await putObject(js, Readable.from([content]), { bucket: bucket(build), name: "image", nuid });
  await agent.end({ kind: "succeeded", bytes: content.length, digest });
  await nc.close();
}
