/**
 * The secrets of a lease: opened with the agent's own key, and kept in memory for the programs that need them. They are files of a
 * ramfs, which the kernel never writes to swap, so a disk never has them. They are removed when the program that may read them ends.
 */
import { execFile } from "node:child_process";
import { mkdir, rmdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CbError, messageOf } from "../lib/core/errors.ts";
import { erase, open, type SealedBox, type SealingKey } from "../lib/core/sealed-box.ts";
import type { Lease } from "../lib/protocol/builder-messages.ts";
import { decode } from "../lib/protocol/codec.ts";
import {
  type BuildSecrets,
  buildSecrets,
  forBuilder,
  type RegistryLogin,
  SECRETS_JSON_MAX_BYTES,
  siteLoginsForBuilder,
} from "../lib/protocol/secret-messages.ts";
import { authNames } from "./registries.ts";

const run = promisify(execFile);

export interface OpenedSecrets {
  readonly secrets: BuildSecrets["secrets"];
  /** A login of the user replaces one of the site for the same registry. */
  readonly logins: readonly RegistryLogin[];
}

/** Throws CbError "usage" when a box is not for this agent and this lease, which is a failure of the builder. */
export function openSecrets(lease: Lease, builder: string, key: SealingKey): OpenedSecrets {
  const { build, attempt } = lease;
  const content = (box: SealedBox | undefined, use: typeof forBuilder): BuildSecrets => {
    if (box === undefined) return { v: 1, secrets: [], logins: [] };
    const plain = open(box, key, use({ build, attempt, builder }));
    try {
      return decode(buildSecrets, plain, "the secrets of the build", { maxBytes: SECRETS_JSON_MAX_BYTES });
    } finally {
      erase(plain);
    }
  };
  const user = content(lease.secrets, forBuilder);
  const site = content(lease.siteLogins, siteLoginsForBuilder);
  const logins = new Map([...site.logins, ...user.logins].map((login) => [login.registry, login]));
  return { secrets: user.secrets, logins: [...logins.values()] };
}

/** Absolute paths, all below one ramfs. */
export interface SecretFiles {
  /** The build secrets, each a file with its name. Undefined: there are none. */
  readonly secrets: { readonly folder: string; readonly names: readonly string[] } | undefined;
  /** The logins, in the form of containers-auth.json(5). Undefined: there are none. */
  readonly authFile: string | undefined;
  /** An empty folder for copies of the secrets that a program makes. */
  readonly copies: string;
  /** May be called again. */
  remove(): Promise<void>;
}

/** Not below /run/container-builder, which is read-only in a sandbox. */
const ROOT = "/run/container-builder-secrets";

/** Undefined when there is nothing to keep. Throws CbError "infrastructure" when the kernel refuses the file system. */
export async function keepSecrets({ secrets, logins }: OpenedSecrets, root = ROOT): Promise<SecretFiles | undefined> {
  if (secrets.length === 0 && logins.length === 0) return undefined;
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await run("mount", ["-t", "ramfs", "-o", "mode=0700,nodev,nosuid,noexec", "container-builder-secrets", root]);
  } catch (cause) {
    throw new CbError("infrastructure", `this builder has no place for secrets: ${messageOf(cause)}`, { cause });
  }
  const [folder, authFile, copies] = [join(root, "secrets"), join(root, "auth.json"), join(root, "copies")];
  await mkdir(copies);
  await mkdir(folder, { mode: 0o755 });
  for (const { id, value } of secrets) await writeFile(join(folder, id), Buffer.from(value, "base64"), { mode: 0o400 });
  if (logins.length > 0) await writeFile(authFile, JSON.stringify({ auths: auths(logins) }), { mode: 0o600 });
  return {
    secrets: secrets.length === 0 ? undefined : { folder, names: secrets.map(({ id }) => id) },
    authFile: logins.length === 0 ? undefined : authFile,
    copies,
    remove: () => remove(root),
  };
}

/**
 * buildah (1.39) copies each secret into the folder of its working container, which is on the disk: its storage gets links to memory
 * in place of these folders, one for each storage driver.
 */
export async function keepCopiesInMemory({ copies }: SecretFiles, storage: string): Promise<void> {
  await mkdir(storage, { recursive: true });
  for (const driver of ["overlay", "vfs"]) await symlink(copies, join(storage, `${driver}-containers`));
}

/** A process that the recipe left running may hold a file: the kernel then frees it when that process ends. */
async function remove(root: string): Promise<void> {
  await run("umount", ["--lazy", root]).catch(() => undefined);
  await rmdir(root).catch(() => undefined);
}

const auths = (logins: readonly RegistryLogin[]): Record<string, object> =>
  Object.fromEntries(
    logins.flatMap(({ registry, username, password, identityToken }) => {
      const auth = Buffer.from(`${username}:${password}`).toString("base64");
      const entry = { auth, ...(identityToken === undefined ? {} : { identitytoken: identityToken }) };
      return authNames(registry).map((name) => [name, entry]);
    }),
  );

/**
 * For the agent and all programs that it starts: a dump would have the secrets. With a limit of exactly one byte the kernel also starts
 * no crash handler (core(5)), as it does with 0. Unprivileged programs cannot undo it.
 */
export async function forbidCoreDumps(): Promise<void> {
  await run("prlimit", ["--pid", String(process.pid), "--core=1:1"]).catch(() => undefined);
}
