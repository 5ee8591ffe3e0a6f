/** The manifest of a backup: which installation, which streams, and the size and digest of each file. Written last. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { snapshotConfig, snapshotState } from "../../nats/jetstream/snapshot/snapshot.ts";
import { assertAccountKey } from "../../protocol/ids.ts";

export const MANIFEST = "manifest.json";
/** The JWT of GUEST with the revoked keys, as the servers had it. */
export const GUEST_JWT = "guest.jwt";

/** The name of a stream is one token of a subject, so it is also a file name. Others are not saved. */
export const STREAM_NAME = /^[\w-]{1,200}$/;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const time = v.pipe(v.string(), v.isoTimestamp());

const savedStream = v.object({
  name: v.pipe(v.string(), v.regex(STREAM_NAME)),
  /** Of the file `streams/NAME`. */
  bytes: count,
  sha256,
  config: snapshotConfig,
  state: snapshotState,
  /** The archive ends between `state.last_seq` and this message. */
  lastSeqMax: count,
});

const manifestSchema = v.object({
  version: v.literal(1),
  /** Public key of the account CORE: another installation has another. */
  installation: v.string(),
  startedAt: time,
  endedAt: time,
  /** Version of cb-admin. */
  software: v.string(),
  /** Version of nats-server. */
  server: v.string(),
  /** In the order in which they were saved. */
  streams: v.array(savedStream),
  /** Streams that exist or existed, and are not in the backup. */
  left: v.array(v.object({ name: v.string(), reason: v.string() })),
  guestJwt: v.optional(v.object({ sha256 })),
});

export type BackupManifest = Readonly<v.InferOutput<typeof manifestSchema>>;
export type ManifestStream = Readonly<v.InferOutput<typeof savedStream>>;

export const streamCount = (streams: number): string => (streams === 1 ? "1 stream" : `${streams} streams`);

/** The file of one stream. Throws CbError "usage" for a name that is no file name. */
export function streamFile(folder: string, name: string): string {
  if (STREAM_NAME.test(name)) return join(folder, "streams", name);
  throw new CbError("usage", `${JSON.stringify(name)} is not the name of a stream in a backup`);
}

/** Throws CbError "usage" when the folder is not a whole backup of a version that this program reads. */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new CbError("usage", `${folder} is not a backup: cannot read ${path}: ${messageOf(cause)}`, {
      hint: "name the folder that cb-admin backup made; one without a manifest was not completed",
      cause,
    });
  });
  try {
    const manifest = v.parse(manifestSchema, JSON.parse(text));
    assertAccountKey(manifest.installation);
    return manifest;
  } catch (cause) {
    throw new CbError("usage", `the manifest ${path} cannot be used: ${messageOf(cause).slice(0, 300)}`, {
      hint: "it is damaged, or a newer version of cb-admin wrote it",
      cause,
    });
  }
}
