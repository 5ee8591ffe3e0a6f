/** The builder's side of the benchmark "image", in a process of its own: puts a file into the bucket each time it is told to. */
import { connectNats, guestAccess } from "../../lib/nats/connection.ts";
import { keyFromSeed } from "../../lib/nats/credentials/nkey.ts";
import { putFile } from "../../lib/transfer/put.ts";
import { BUCKET, type SentCredential } from "./build-nats.ts";

/** The first message. */
export interface SourceOptions extends SentCredential {
  readonly file: string;
}

/** Each further message: put the file under this object id. */
export interface PutCommand {
  readonly nuid: string;
}

async function serve({ address, jwt, seed, file }: SourceOptions): Promise<void> {
  const nc = await connectNats({ address, credential: { jwt, key: keyFromSeed(seed) }, name: "image source" });
  const js = guestAccess(nc);
  process.on("message", ({ nuid }: PutCommand) => void putFile(js, file, { bucket: BUCKET, name: "image", nuid }));
  process.send?.("ready");
}

process.once("message", (options: SourceOptions) => void serve(options));
