/** The content that a site brings into the cloud: the configuration of each host, and the files of images. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import type { StreamedBody } from "../../../lib/core/http-json.ts";
import { gnuTar } from "../../../lib/recipe/context/tar.ts";
import { ETC } from "../files/site-file.ts";

/** nova's limit of user data is 65,535 characters of base64. */
const USER_DATA_MAX_BYTES = 49_149;
/** A host refuses a larger configuration (docs/release/host-image.md). */
const TAR_MAX_BYTES = 1024 * 1024;
/** The first bytes of a qcow2 file (QEMU, docs/interop/qcow2). */
const QCOW2 = "QFI\xfb";

export interface HostConfig {
  /** SHA-256 of the files, their names and modes. Equal files give equal digests on any machine. */
  readonly digest: string;
  /** In base64, as nova takes it. Secret. */
  readonly userData: string;
}

/** Packs hosts/NAME as the host image reads it. Throws CbError "config" when it is larger than user data may be. */
export async function hostConfig(siteRoot: string, host: string): Promise<HostConfig> {
  const names = [
    "--sort=name",
    "--format=gnu",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@0",
    "--mode=go=",
  ];
  const folder = join(siteRoot, "hosts", host);
  const argv = [...names, "-C", folder, "-cf", "-", ETC.slice(1)];
  const { stdout } = await promisify(execFile)(await gnuTar(), argv, { encoding: "buffer", maxBuffer: TAR_MAX_BYTES });
  const packed = gzipSync(stdout);
  if (packed.length > USER_DATA_MAX_BYTES) {
    throw new CbError("config", `the configuration in ${folder} has ${packed.length} bytes when it is packed`, {
      hint: `a cloud takes at most ${USER_DATA_MAX_BYTES}: remove files that the host does not need`,
    });
  }
  return { digest: createHash("sha256").update(stdout).digest("hex"), userData: packed.toString("base64") };
}

/** SHA-256 of an image's file. Throws CbError "config" when it cannot be read, or is no image of its format. */
export async function imageDigest(file: string): Promise<string> {
  try {
    if (file.endsWith(".qcow2")) await refuseOtherFormat(file);
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    return hash.digest("hex");
  } catch (cause) {
    if (cause instanceof CbError) throw cause;
    throw new CbError("config", `cannot read the image ${file}: ${messageOf(cause)}`, {
      hint: "make it with: npm run host-image, npm run disk",
      cause,
    });
  }
}

async function refuseOtherFormat(file: string): Promise<void> {
  const stream = createReadStream(file, { start: 0, end: 3, encoding: "latin1" });
  let head = "";
  for await (const part of stream) head += part;
  if (head !== QCOW2) throw new CbError("config", `${file} is not a qcow2 image`);
}

/** The file as the body of an upload. `onBytes` is called with the number of bytes that were read so far. */
export async function imageBody(file: string, onBytes: (sent: number, total: number) => void): Promise<StreamedBody> {
  const { size } = await stat(file);
  async function* open(): AsyncGenerator<Uint8Array> {
    let sent = 0;
    for await (const chunk of createReadStream(file)) {
      yield chunk;
      sent += chunk.length;
      onBytes(sent, size);
    }
  }
  return { sizeBytes: size, open };
}
