/**
 * Seals bytes to a public key, so that the holder of the private key alone can read them: HPKE in its base mode (RFC 9180, sections
 * 4 to 6) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305. Each box has an ephemeral key of its own and holds one
 * message. The unit test has the vectors of the RFC (appendix A.2.1).
 *
 * The purpose and the context of a box are authenticated and not stored in it: for another one it does not open.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { CbError } from "./errors.ts";

/** A sealed message. The texts are base64url. */
export interface SealedBox {
  /** The id of the recipient's key, for messages about a box that was sealed to another one. */
  readonly keyId: string;
  /** The sender's ephemeral public key. */
  readonly enc: string;
  /** The encrypted bytes and their tag of 16 bytes. */
  readonly text: string;
}

export interface BoxUse {
  /** The `info` of the RFC: a box of one purpose does not open as one of another. */
  readonly purpose: string;
  /** Its associated data: what the content belongs to. */
  readonly context: string;
}

export interface SealingKey {
  /** 32 bytes in base64url. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

const ALGORITHM = "chacha20-poly1305";
const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** "KEM", DHKEM(X25519, HKDF-SHA256); then "HPKE" with that KEM, HKDF-SHA256 and ChaCha20Poly1305 (RFC 9180, section 7). */
const KEM_SUITE = Buffer.from([0x4b, 0x45, 0x4d, 0x00, 0x20]);
const SUITE = Buffer.from([0x48, 0x50, 0x4b, 0x45, 0x00, 0x20, 0x00, 0x01, 0x00, 0x03]);

export function createSealingKey(): SealingKey {
  return keyOf(generateKeyPairSync("x25519").privateKey);
}

/**
 * The keys of a file, at least one. While a key is renewed, the file has the new one first, and after it those that still open boxes.
 * Throws an Error unless each is an X25519 private key (PKCS #8).
 */
export function parseSealingKeys(pem: string): [SealingKey, ...SealingKey[]] {
  const [current, ...older] = pem.match(/-----BEGIN .*?-----END [^-]*-----/gs) ?? [pem];
  return [parseSealingKey(current ?? ""), ...older.map(parseSealingKey)];
}

function parseSealingKey(pem: string): SealingKey {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== "x25519") throw new Error("it has no X25519 key");
  return keyOf(privateKey);
}

/** PKCS #8, as openssl reads it. Secret. */
export const sealingKeyPem = ({ privateKey }: SealingKey): string =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** The first 64 bits of the key's SHA-256: enough to tell the keys of an installation apart. */
export const sealingKeyId = (publicKey: string): string =>
  createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex").slice(0, 16);

/** `publicKey` in base64url. Throws CbError "usage" when it is no X25519 key. */
export function seal(plain: Uint8Array, publicKey: string, { purpose, context }: BoxUse): SealedBox {
  const sender = createSealingKey();
  const dh = exchange(sender.privateKey, publicKey);
  const { key, nonce } = keySchedule(sharedSecret(dh, sender.publicKey, publicKey), purpose);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context), { plaintextLength: plain.length });
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return { keyId: sealingKeyId(publicKey), enc: sender.publicKey, text: sealed.toString("base64url") };
}

/**
 * The bytes of a box. The caller overwrites them after use. Throws CbError "usage" when the box is for another key or another
 * context, or was changed.
 */
export function open(box: SealedBox, { publicKey, privateKey }: SealingKey, { purpose, context }: BoxUse): Buffer {
  const own = sealingKeyId(publicKey);
  if (box.keyId !== own) {
    throw new CbError("usage", `the secrets are sealed to the key ${box.keyId}, and the key here is ${own}`);
  }
  const { key, nonce } = keySchedule(sharedSecret(exchange(privateKey, box.enc), box.enc, publicKey), purpose);
  const sealed = Buffer.from(box.text, "base64url");
  try {
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
    const plainBytes = sealed.length - TAG_BYTES;
    decipher.setAAD(Buffer.from(context), { plaintextLength: plainBytes });
    decipher.setAuthTag(sealed.subarray(plainBytes));
    const plain = decipher.update(sealed.subarray(0, plainBytes));
    decipher.final();
    return plain;
  } catch (cause) {
    throw new CbError("usage", "the secrets cannot be opened: they belong to another build, or were changed", {
      cause,
    });
  }
}

/** Overwrites secret bytes, so that a core dump of this process does not have them. */
export const erase = (bytes: Buffer): void => void bytes.fill(0);

function keyOf(privateKey: KeyObject): SealingKey {
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { publicKey: x, privateKey };
}

function importKey(publicKey: string): KeyObject {
  if (Buffer.from(publicKey, "base64url").length === KEY_BYTES) {
    return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "X25519", x: publicKey } });
  }
  throw new CbError("usage", "a sealing key has 32 bytes in base64url");
}

/** OpenSSL refuses the keys of small order that the RFC wants refused. */
function exchange(privateKey: KeyObject, publicKey: string): Buffer {
  const other = importKey(publicKey);
  try {
    return diffieHellman({ privateKey, publicKey: other });
  } catch (cause) {
    throw new CbError("usage", "not a usable sealing key", { cause });
  }
}

/** ExtractAndExpand of DHKEM. */
function sharedSecret(dh: Buffer, enc: string, recipient: string): Buffer {
  const prk = labeledExtract(KEM_SUITE, Buffer.alloc(0), "eae_prk", dh);
  const kemContext = Buffer.concat([Buffer.from(enc, "base64url"), Buffer.from(recipient, "base64url")]);
  return labeledExpand(KEM_SUITE, prk, "shared_secret", kemContext, KEY_BYTES);
}

function keySchedule(shared: Buffer, purpose: string): { key: Buffer; nonce: Buffer } {
  const none = Buffer.alloc(0);
  const pskHash = labeledExtract(SUITE, none, "psk_id_hash", none);
  const infoHash = labeledExtract(SUITE, none, "info_hash", Buffer.from(purpose));
  const schedule = Buffer.concat([Buffer.from([0]), pskHash, infoHash]);
  const secret = labeledExtract(SUITE, shared, "secret", none);
  return {
    key: labeledExpand(SUITE, secret, "key", schedule, KEY_BYTES),
    nonce: labeledExpand(SUITE, secret, "base_nonce", schedule, 12),
  };
}

const hmac = (key: Buffer, data: Buffer): Buffer => createHmac("sha256", key).update(data).digest();
const VERSION = Buffer.from("HPKE-v1");

const labeledExtract = (suite: Buffer, salt: Buffer, label: string, data: Buffer): Buffer =>
  hmac(salt, Buffer.concat([VERSION, suite, Buffer.from(label), data]));

/** At most 32 bytes, one round of HKDF-Expand (RFC 5869, section 2.3). */
function labeledExpand(suite: Buffer, prk: Buffer, label: string, info: Buffer, bytes: number): Buffer {
  const head = Buffer.from([0, bytes]);
  const block = Buffer.concat([head, VERSION, suite, Buffer.from(label), info, Buffer.from([1])]);
  return hmac(prk, block).subarray(0, bytes);
}
