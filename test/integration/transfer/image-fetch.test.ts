/** ImageFetch: the image gets its name only when the queue has confirmed its digest; until then the target is as it was. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuildReport } from "../../../lib/cli/report/build-report.ts";
import { Steps } from "../../../lib/cli/terminal.ts";
import { ImageFetch } from "../../../lib/cli/watch/image-fetch.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { chunkSubject } from "../../../lib/protocol/object-layout.ts";
import { bucket, buildBucketStream, GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";
import { newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { Recorder } from "../../support/recorder.ts";
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
async function scene({ bus, folder }: { bus: TestNats; folder: string }, old?: string) {
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
  if (old !== undefined) writeFileSync(imagePath, old, { mode: 0o640 });
  const interrupt = new AbortController();
  const output = new Recorder<string>();
  const steps = new Steps({ write: output.add });
  const onWaiting = () => undefined;
  const target = {
    steps,
    report: new BuildReport(),
    imagePath,
    force: old !== undefined,
    interrupted: interrupt.signal,
  };
  const fetch = new ImageFetch(target, { nc, build, onWaiting });
  const announce = async (attempt: number): Promise<string> => {
    const nuid = newObjectId();
    await fetch.start({ v: 1, state: "uploading", nuid, bytes: SIZE_BYTES, chunkBytes: CHUNK_BYTES }, attempt);
    return nuid;
  };
  /** Resolves when the client has received a whole image. */
  const complete = () => output.next((text) => text.includes("Completed"));
  /** `chunks` of eight, each filled with `byte`. */
  async function* image(byte: number, chunks = 8): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < chunks; n++) yield Buffer.alloc(CHUNK_BYTES, byte);
    if (chunks < 8) throw new Error("the builder died");
  }
  const put = (nuid: string, source: AsyncIterable<Uint8Array>) =>
    putObject(js, source, { bucket: bucket(build), name: "image", nuid, chunkBytes: CHUNK_BYTES });
  const left = () => readdirSync(join(imagePath, ".."));
  return { nc, build, fetch, imagePath, interrupt, announce, complete, image, put, left };
}

for (const old of ["old", undefined]) {
  const target = old === undefined ? "no target" : "an old image";
  /** The target as it was before. */
  const isUnchanged = (imagePath: string, names: string[]): void => {
    assert.equal(names, old === undefined ? [] : ["x.sif"]);
    if (old !== undefined) assert.is(readFileSync(imagePath, "utf8"), old);
  };

  test(`with ${target}: a complete image has no name before place(), and the image of attempt 2 wins`, async (context) => {
    const { nc, fetch, imagePath, announce, complete, image, put, left } = await scene(context, old);
    const first = complete();
    await put(await announce(1), image(1));
    await first;
    isUnchanged(
      imagePath,
      left().filter((name) => !name.endsWith(".part")),
    );
    await fetch.discard();
    isUnchanged(imagePath, left());
    const { digest } = await put(await announce(2), image(2));
    await fetch.place(digest);
    assert.is(readFileSync(imagePath)[0], 2);
    assert.equal(left(), ["x.sif"]);
    if (old !== undefined) assert.is(statSync(imagePath).mode & 0o777, 0o640);
    await nc.close();
  });

  test(`with ${target}: Ctrl-C or the loss of the build after a complete image leaves the target as it was`, async (context) => {
    const { nc, fetch, imagePath, interrupt, announce, complete, image, put, left } = await scene(context, old);
    const first = complete();
    await put(await announce(1), image(1));
    await first;
    interrupt.abort(new Error("Ctrl-C"));
    await fetch.discard();
    isUnchanged(imagePath, left());
    await nc.close();
  });

  test(`with ${target}: a second announcement of an attempt is ignored, and one of the next attempt replaces the first`, async (context) => {
    const { nc, fetch, imagePath, announce, complete, image, put, left } = await scene(context, old);
    const first = complete();
    const { digest } = await put(await announce(1), image(1));
    await first;
    await announce(1);
    assert.is(left().filter((name) => name.endsWith(".part")).length, 1);
    const other = await put(await announce(2), image(2));
    assert.match(String(await fetch.place(digest).catch((error: unknown) => error)), /does not match the digest/);
    isUnchanged(
      imagePath,
      left().filter((name) => !name.endsWith(".part")),
    );
    await fetch.place(other.digest);
    assert.is(readFileSync(imagePath)[0], 2);
    await nc.close();
  });
}

test("discard() removes an incomplete image, and only the next attempt may announce another", async (context) => {
  const { nc, fetch, announce, image, put, left } = await scene(context);
  await put(await announce(1), image(1, 4)).catch(() => undefined);
  await until("a part of the first image", () => left().length === 1);
  await fetch.discard();
  assert.equal(left(), []);
  await announce(1);
  assert.match(String(await fetch.place("").catch((error: unknown) => error)), /without an image/);
  const { digest } = await put(await announce(2), image(2));
  await fetch.place(digest);
  assert.equal(left(), ["x.sif"]);
  await nc.close();
});

test("an image that arrived damaged is fetched once more from the whole object, and no further", async (context) => {
  const { nc, fetch, build, imagePath, announce, image, put, left } = await scene(context);
  const core = await context.bus.core();
  const { streams } = await core.jetstreamManager();
  const nuid = await announce(1);
  await until("the file of the image", () => left().length === 1);
  await core.jetstream().publish(chunkSubject(bucket(build), nuid), Buffer.alloc(CHUNK_BYTES, 9));
  await put(nuid, image(1));
  await until("the end of the first fetch", () => left().length === 0);
  const { config } = await streams.info(buildBucketStream(build));
  await streams.delete(config.name);
  await streams.add(config);
  const { digest } = await put(nuid, image(1));
  await fetch.place(digest);
  assert.is(readFileSync(imagePath)[0], 1);
  await nc.close();

  const other = await scene(context);
  const second = await other.announce(1);
  await core.jetstream().publish(chunkSubject(bucket(other.build), second), Buffer.alloc(CHUNK_BYTES, 9));
  const object = await other.put(second, other.image(1));
  const error = await other.fetch.place(object.digest).catch((reason: unknown) => reason);
  assert.match(String(error), /object image is damaged/);
  assert.match(error instanceof CbError ? (error.hint ?? "") : "", `cb-attach ${other.build}`);
  assert.equal(other.left(), []);
  await other.nc.close();
});

test("an image with another digest than reported gets no name", async (context) => {
  const { nc, fetch, announce, image, put, left } = await scene(context);
  await put(await announce(1), image(1));
  const error = await fetch.place("SHA-256=other").catch((reason: unknown) => reason);
  assert.match(String(error), /does not match the digest/);
  await fetch.discard();
  assert.equal(left(), []);
  await nc.close();
});

test.run();
