/**
 * Key pairs in the format of NATS ("nkeys"): Ed25519, in base32, with a role in the first letter and a CRC-16 at the end.
 *
 * Signs with node:crypto, which makes 15–18 thousand signatures a second; nkeys.js makes 80, and blocks the event loop meanwhile.
 */
import {
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { CbError } from "../../core/errors.ts";

export type KeyRole = "operator" | "account" | "user";

/** The prefix bytes of github.com/nats-io/nkeys: their upper five bits are the letter O, A or U in base32. */
const ROLE_PREFIX: Record<KeyRole, number> = { operator: 14 << 3, account: 0, user: 20 << 3 };
/** The letter S in base32. The letter of the role follows it. */
const SEED_PREFIX = 18 << 3;

/** The DER of a PKCS#8 Ed25519 private key and of a public key (RFC 8410) before the 32 bytes of the key. */
const PRIVATE_DER = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_DER = Buffer.from("302a300506032b6570032100", "hex");

/** A key pair. The private half is neither enumerable nor in JSON, so a logger cannot write it. */
export class NKey {
  readonly role: KeyRole;
  /** The public key, 56 characters; the first is O, A or U. Not secret. */
  readonly publicKey: string;
  readonly #seed: Buffer;
  readonly #privateKey: KeyObject;

  /** `seed` is the private key of RFC 8032, 32 bytes. */
  constructor(role: KeyRole, seed: Buffer) {
    this.role = role;
    this.#seed = seed;
    this.#privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, seed]), format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.#privateKey).export({ format: "der", type: "spki" });
    this.publicKey = encode(Buffer.from([ROLE_PREFIX[role]]), spki.subarray(PUBLIC_DER.length));
  }

  /** The seed: 58 characters that start with S and the letter of the role. Secret: it is the private key. */
  seed(): string {
    const role = ROLE_PREFIX[this.role];
    return encode(Buffer.from([SEED_PREFIX | (role >> 5), (role & 31) << 3]), this.#seed);
  }

  /** The Ed25519 signature of `data`, 64 bytes. */
  sign(data: Uint8Array): Buffer {
    return cryptoSign(null, data, this.#privateKey);
  }
}

/** A new random key pair. */
export function createKey(role: KeyRole): NKey {
  return new NKey(role, randomBytes(32));
}

/** Throws CbError "config" when `seed` is not the seed of an operator, account or user. The message never contains it. */
export function keyFromSeed(seed: string): NKey {
  const raw = decode(seed);
  if (raw === undefined || raw.length !== 34) throw notASeed();
  const [first = 0, second = 0] = raw;
  const role = roleOf(((first & 7) << 5) | (second >> 3));
  if ((first & 0xf8) !== SEED_PREFIX || role === undefined) throw notASeed();
  return new NKey(role, raw.subarray(2));
}

/** Whether `text` is a valid public key of that role: letter, length and checksum. */
export function isPublicKey(text: unknown, role: KeyRole): text is string {
  const raw = typeof text === "string" ? decode(text) : undefined;
  return raw?.length === 33 && raw[0] === ROLE_PREFIX[role];
}

/** Whether the key of this public key signed `data`. False for a text that is no public key. */
export function isSignedBy(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  const raw = decode(publicKey);
  if (raw?.length !== 33) return false;
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_DER, raw.subarray(1)]), format: "der", type: "spki" });
  return cryptoVerify(null, data, key, signature);
}

function roleOf(prefix: number): KeyRole | undefined {
  return (["operator", "account", "user"] as const).find((role) => ROLE_PREFIX[role] === prefix);
}

function notASeed(): CbError {
  return new CbError("config", "not an nkey seed of an operator, an account or a user", {
    hint: "a seed is 58 characters long and starts with SO, SA or SU",
  });
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Base32 (RFC 4648, no padding) of prefix, payload and the CRC-16 of both, low byte first. */
function encode(prefix: Buffer, payload: Uint8Array): string {
  const body = Buffer.concat([prefix, payload]);
  const check = Buffer.alloc(2);
  check.writeUInt16LE(crc16(body));
  return base32(Buffer.concat([body, check]));
}

/** The bytes before the checksum; undefined when the text is not base32, is too long for a key, or has a wrong checksum. */
function decode(text: string): Buffer | undefined {
  if (text.length < 4 || text.length > 64) return undefined;
  const raw = fromBase32(text);
  if (raw === undefined || base32(raw) !== text) return undefined;
  const body = raw.subarray(0, -2);
  return raw.readUInt16LE(body.length) === crc16(body) ? body : undefined;
}

/** RFC 4648 base32 without padding. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >>> (bits - 5)) & 31];
    value &= 0xff;
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text;
}

function fromBase32(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    const five = ALPHABET.indexOf(letter);
    if (five < 0) return undefined;
    value = ((value << 5) | five) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** CRC-16/XMODEM: polynomial 0x1021, start 0. Without a table, since keys are short. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
