/** Checks for `cb-queue --check` that the files which the configuration names exist, can be read, and are of the right kind. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import type { Mistake } from "../config/yaml-file.ts";
import { messageOf } from "../core/errors.ts";
import { parseSealingKeys } from "../core/sealed-box.ts";
import { parseCreds } from "../nats/credentials/creds.ts";
import { keyFromSeed } from "../nats/credentials/nkey.ts";

interface NamedFile {
  readonly keys: readonly (string | number)[];
  readonly kind: "file" | "folder";
  /** How an operator gets it. */
  readonly remedy: string;
  /** Throws when the content is of another kind. */
  readonly read?: (text: string) => unknown;
}

const CA = { kind: "file", remedy: "copy the CA of your NATS servers there", read: requireCertificate } as const;
const CREDS = {
  kind: "file",
  remedy: "copy creds/queue.creds of the installation there, readable by the user that runs cb-queue",
  read: (text: string) => parseCreds(text, "it"),
} as const;
const KEY = {
  kind: "file",
  remedy: "copy the seed of GUEST's signing key there, readable by the user that runs cb-queue",
  read: (text: string) => keyFromSeed(text.trim()),
} as const;
const SEALING_KEY = {
  kind: "file",
  remedy: "copy keys/sealing.key of the installation there, readable by the user that runs cb-queue",
  read: (text: string) => parseSealingKeys(text),
} as const;
const PASSWORD = { kind: "file", remedy: "write the registry's password into it" } as const;
const ROOTFS = { kind: "folder", remedy: "make it: cb-admin builder-image rootfs, or machine for QEMU" } as const;
const AGENT = { kind: "folder", remedy: "name the folder of the agent's bundle" } as const;
const DISK = { kind: "file", remedy: "make it: cb-admin builder-image disk" } as const;

/** A mistake for each file that is missing or wrong. `content` may break the schema; the fields that it lacks are skipped. */
export function checkFiles(content: unknown): Mistake[] {
  return namedFiles(content).flatMap((named) => {
    const path = valueAt(content, named.keys);
    // The schema reports a relative path, and any other value.
    if (typeof path !== "string" || !path.startsWith("/")) return [];
    const fault = faultOf(path, named);
    return fault === undefined ? [] : [{ keys: named.keys, text: `${path} ${fault}; ${named.remedy}` }];
  });
}

function namedFiles(content: unknown): NamedFile[] {
  const pools = indexesOf(content, "pools").flatMap((keys): NamedFile[] => [
    { keys: [...keys, "nats", "ca"], ...CA },
    { keys: [...keys, "provider", "rootfs"], ...ROOTFS },
    { keys: [...keys, "provider", "agentDir"], ...AGENT },
    { keys: [...keys, "provider", "disk"], ...DISK },
  ]);
  const passwords = indexesOf(content, "registries").map((keys) => ({ keys: [...keys, "passwordFile"], ...PASSWORD }));
  return [
    { keys: ["nats", "ca"], ...CA },
    { keys: ["nats", "creds"], ...CREDS },
    { keys: ["issuer", "signingKey"], ...KEY },
    { keys: ["issuer", "sealingKey"], ...SEALING_KEY },
    ...pools,
    ...passwords,
  ];
}

function indexesOf(content: unknown, key: string): (string | number)[][] {
  const list = valueAt(content, [key]);
  return Array.isArray(list) ? list.map((_, index) => [key, index]) : [];
}

function valueAt(content: unknown, keys: readonly (string | number)[]): unknown {
  let value = content;
  for (const key of keys) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

const ACCESS_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "cannot be read by this user",
  ENOTDIR: "does not exist: a part of the path is a file",
};

/** 64 KiB: creds, seeds, passwords and bundles of CA certificates of a site are shorter; a disk image is not read. */
const READ_MAX_BYTES = 64 * 1024;

function faultOf(path: string, { kind, read }: NamedFile): string | undefined {
  try {
    const info = statSync(path);
    if (info.isDirectory() !== (kind === "folder")) return `is ${kind === "folder" ? "no folder" : "a folder"}`;
    accessSync(path, kind === "folder" ? constants.R_OK | constants.X_OK : constants.R_OK);
    if (read !== undefined && info.size <= READ_MAX_BYTES) read(readFileSync(path, "utf8"));
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return ACCESS_FAULTS[code] ?? `cannot be used: ${messageOf(error)}`;
  }
}

function requireCertificate(text: string): void {
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new Error("it has no PEM certificate");
}
