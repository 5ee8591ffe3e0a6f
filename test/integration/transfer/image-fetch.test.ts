/** ImageFetch if the builder is lost during or after the upload: only the image of the next attempt is kept. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../lib/cli/terminal.ts";
import { ImageFetch } from "../../../lib/cli/watch/image-fetch.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { bucket, GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";
import { newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { until } from "../../support/until.ts";

const CHUNK_BYTES = 64 * 1024;
const SIZE_BYTES = 8 * CHUNK_BYTES;

const test = suite<{ bus: TestNats; folder: string }>("ImageFetch");

test.before(async (context) => {
  context.bus = await startTestNats();
  context.folder = mkdtempSync(join(tmpdir(), "cb-fetch-"));
  openConsumerProxy(await context.bus.core());
});
test.after(async ({ bus, folder }) => {
  await bus?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A build with its bucket, an agent that puts images, and a caller who fetches them into a folder of their own. */
async function scene({ bus, folder }: { bus: TestNats; folder: string }) {
  const build = randomUUID();
  await makeBuildStreams(await (await bus.core()).jetstreamManager(), build);
  const guest = await bus.build(build, "agent");
  const js: JetStreamAccess = { nc: guest.connection, apiPrefix: GUEST_API_PREFIX, inboxPrefix: guest.inboxPrefix };
  const key = createKey("user");
  const expiresAtMs = Date.now() + 3_600_000;
  const jwt = bus.issuer.buildJwt({ build, role: "caller", publicKey: key.publicKey, expiresAtMs });
  const { serverName, files } = bus.installation;
  const address = { url: bus.url, servername: serverName, ca: readFileSync(files.caFile, "utf8") };
  const nc = await connectNats({ address, credential: { jwt, key }, name: "test" });
  const imagePath = join(mkdtempSync(join(folder, "image-")), "x.sif");
  const interrupted = new AbortController().signal;
  const steps = new Steps({ write: () => true });
  const fetch = new ImageFetch({ steps, imagePath, force: false, interrupted }, { nc, build });
  const announce = (attempt: number): string => {
    const nuid = newObjectId();
    fetch.start({ v: 1, state: "uploading", nuid, bytes: SIZE_BYTES, chunkBytes: CHUNK_BYTES }, attempt);
    return nuid;
  };
  /** `chunks` of eight, each filled with `byte`. */
  async function* image(byte: number, chunks = 8): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < chunks; n++) yield Buffer.alloc(CHUNK_BYTES, byte);
    if (chunks < 8) throw new Error("the builder died");
  }
  const put = (nuid: string, source: AsyncIterable<Uint8Array>) =>
    putObject(js, source, { bucket: bucket(build), name: "image", nuid, chunkBytes: CHUNK_BYTES });
  const left = () => readdirSync(join(imagePath, ".."));
  return { nc, fetch, imagePath, announce, image, put, left };
}

test("drop() removes a complete image, and the image of the next attempt replaces it", async (context) => {
  const { nc, fetch, imagePath, announce, image, put, left } = await scene(context);
  await put(announce(1), image(1));
  await until("the first image", () => left().includes("x.sif"));
  await fetch.discard();
  assert.equal(left(), []);
  const { digest } = await put(announce(2), image(2));
  await fetch.verify(digest);
  assert.is(readFileSync(imagePath)[0], 2);
  await nc.close();
});

test("drop() removes an incomplete image, and only the next attempt may announce another", async (context) => {
  const { nc, fetch, announce, image, put, left } = await scene(context);
  await put(announce(1), image(1, 4)).catch(() => undefined);
  await until("a part of the first image", () => left().length === 1);
  await fetch.discard();
  assert.equal(left(), []);
  announce(1);
  assert.match(String(await fetch.verify("").catch((error: unknown) => error)), /without an image/);
  const { digest } = await put(announce(2), image(2));
  await fetch.verify(digest);
  assert.equal(left(), ["x.sif"]);
  await nc.close();
});

test("an image with another digest than reported is not kept", async (context) => {
  const { nc, fetch, announce, image, put, left } = await scene(context);
  await put(announce(1), image(1));
  assert.match(
    String(await fetch.verify("SHA-256=other").catch((error: unknown) => error)),
    /does not match the digest/,
  );
  await fetch.discard();
  assert.equal(left(), []);
  await nc.close();
});

test.run();
