/** Talks to the NATS hosts of a site with the credentials of its folder: whether they answer, and their data. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { backup } from "../../../lib/cli/admin/backup.ts";
import { readManifest } from "../../../lib/cli/admin/backup-manifest.ts";
import { type BackupSession, backupSession } from "../../../lib/cli/admin/backup-session.ts";
import { restore } from "../../../lib/cli/admin/restore.ts";
import type { Steps } from "../../../lib/cli/terminal.ts";
import type { AdminConfig } from "../../../lib/config/admin-config.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { connectNats, connectWithRetry } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { isQueueReachable } from "../../../lib/nats/rpc/server.ts";
import type { NatsHost, Site } from "../answers/site-schema.ts";
import { hostPort } from "../files/nats-files.ts";
import { natsUrl } from "../files/queue-files.ts";
import { siteFiles } from "../keys/open-keys.ts";
import { readIfPresent, type SiteFolder } from "../site-folder.ts";
import { type LastMessages, lackOf, replicated, storeReports } from "./cluster-data.ts";
import type { PendingRestore } from "./plan/site-state.ts";
import { newBackup, removeOldBackups } from "./saved-backups.ts";

/** A host takes a minute to boot; under emulation on loaded cores five were measured (docs/release/host-image.md). */
const BOOT_MS = 900_000;
/** Without a further complete stream. 1 GB took 6 s, so the largest image takes some minutes. */
const CATCH_UP_MS = 900_000;
/** For a look at a host that may be down. */
const LOOK_MS = 5_000;
const POLL_MS = 1_000;

const pendingSchema = v.strictObject({ folder: v.string(), replaces: v.string() });

export class NatsData {
  readonly #site: Site;
  readonly #folder: SiteFolder;

  constructor(site: Site, folder: SiteFolder) {
    this.#site = site;
    this.#folder = folder;
  }

  /** Undefined when the host answers and accepts a credential of the site; else the reason. */
  async failure(host: NatsHost): Promise<string | undefined> {
    try {
      const nc = await connectNats({ ...(await this.#connection(host)), timeoutMs: LOOK_MS });
      await nc.close();
      return undefined;
    } catch (error) {
      if (error instanceof CbError) return error.message;
      throw error;
    }
  }

  /** Resolves when the host answers. Throws CbError "unreachable" after 15 minutes, and as connectNats(). */
  async answers(host: NatsHost, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(BOOT_MS);
    let last = "";
    const options = { ...(await this.#connection(host)), timeoutMs: LOOK_MS };
    try {
      const onFailure = ({ message }: CbError): void => {
        last = message;
      };
      const nc = await connectWithRetry(options, { signal: AbortSignal.any([signal, limit]), onFailure });
      await nc.close();
    } catch (error) {
      if (!limit.aborted || signal.aborted) throw error;
      throw new CbError(
        "unreachable",
        `NATS on ${host.name} does not answer after ${BOOT_MS / 60_000} minutes: ${last}`,
        {
          hint: "its console shows why: openstack console log show SERVER; then run the command again",
          cause: error,
        },
      );
    }
  }

  /**
   * Resolves when the host of a cluster has everything that the others had at the time of the call. Throws CbError "infrastructure"
   * after 15 minutes without progress.
   */
  async hasAllData({ name }: NatsHost, signal: AbortSignal): Promise<void> {
    const servers = this.#site.nats.hosts.length;
    let endMs = performance.now() + CATCH_UP_MS;
    await this.#with("restoreCreds", async ({ nc }) => {
      let wanted: LastMessages | undefined;
      // Each state once, so that the wait has an end.
      const lacks = new Set<string>();
      for (;;) {
        const reports = await storeReports(nc, servers);
        wanted ??= replicated(name, reports, servers);
        const lack = wanted === undefined ? "another host does not report" : lackOf(name, wanted, reports, servers);
        if (lack === undefined) return;
        if (!lacks.has(lack)) endMs = performance.now() + CATCH_UP_MS;
        lacks.add(lack);
        if (performance.now() > endMs) {
          throw new CbError("infrastructure", `NATS on ${name} does not get the data of the others: ${lack}`, {
            hint: "see the logs of nats-server on all hosts; then run the command again",
          });
        }
        await delay(POLL_MS, undefined, { signal });
      }
    });
  }

  /** Undefined when a queue answers; else the reason. */
  async queueFailure(): Promise<string | undefined> {
    try {
      return (await this.#with("restoreCreds", ({ nc }) => isQueueReachable(nc, LOOK_MS)))
        ? undefined
        : "no queue answers";
    } catch (error) {
      if (error instanceof CbError) return error.message;
      throw error;
    }
  }

  /** Resolves when a queue answers. `name`: the host that boots. Throws CbError "unreachable" after 15 minutes. */
  async queueAnswers(name: string, signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + BOOT_MS;
    for (;;) {
      const failure = await this.queueFailure();
      if (failure === undefined) return;
      if (performance.now() > endMs) {
        const message = `cb-queue on ${name} does not answer after ${BOOT_MS / 60_000} minutes: ${failure}`;
        throw new CbError("unreachable", message, {
          hint: `its console shows why: openstack console log show ${name}; then run the command again`,
        });
      }
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /** Throws CbError "config" for a file that was changed. */
  async pendingRestore(): Promise<PendingRestore | undefined> {
    const text = await readIfPresent(this.#pendingFile);
    if (text === undefined) return undefined;
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), pendingSchema), text);
    if (parsed.success) return parsed.output;
    throw new CbError("config", `${this.#pendingFile} is not as cb-admin wrote it`, {
      hint: "it names the backup that is not restored yet; repair it, or restore by hand and remove it (docs/backup.md)",
    });
  }

  /**
   * Makes a backup the pending one, for a server that is lost. Throws CbError "usage" for a folder that is no whole backup of this
   * site, and while another backup is pending.
   */
  async restoreFrom(folder: string): Promise<void> {
    const { installation } = await readManifest(folder);
    const { account } = await readCreds(siteFiles(this.#folder).backupCreds, Date.now());
    if (installation !== account) {
      throw new CbError("usage", `${folder} is a backup of another site`, {
        hint: "its keys would not fit the records",
      });
    }
    const pending = await this.pendingRestore();
    if (pending !== undefined && pending.folder !== folder) {
      throw new CbError("usage", `the backup ${pending.folder} is being restored`, {
        hint: `complete that first, without --restore; or remove ${this.#pendingFile}`,
      });
    }
    await writeSecretFile(this.#pendingFile, JSON.stringify({ folder, replaces: pending?.replaces ?? "" }));
  }

  /** Suspends the builds, saves all streams, and records the server that the backup is for. Errors as backup(). */
  async save(serverId: string, nowMs: number, steps: Steps, signal: AbortSignal): Promise<void> {
    const folder = await newBackup(this.#folder.root, nowMs);
    const pending: PendingRestore = { folder, replaces: serverId };
    await this.#with("restoreCreds", (session) =>
      backup(session, { folder, withoutImages: false, suspends: true, steps, signal }),
    );
    await writeSecretFile(this.#pendingFile, JSON.stringify(pending));
  }

  /** Restores the backup that is pending, and removes old ones. Errors as restore(). */
  async bringBack(steps: Steps, signal: AbortSignal): Promise<void> {
    const pending = await this.pendingRestore();
    if (pending === undefined) throw new CbError("config", `${this.#pendingFile} is missing: no backup is pending`);
    await this.#with("restoreCreds", (session) => restore(session, { folder: pending.folder, steps, signal }));
    await rm(this.#pendingFile);
    const removed = await removeOldBackups(this.#folder.root);
    if (removed !== undefined) steps.print(removed);
  }

  /** For a server that was saved, and then not replaced: the queue has written to it since. */
  async forgetRestore(): Promise<void> {
    await rm(this.#pendingFile, { force: true });
  }

  get #pendingFile(): string {
    return join(this.#folder.root, "pending-restore.json");
  }

  async #with<Result>(
    key: "backupCreds" | "restoreCreds",
    work: (session: BackupSession) => Promise<Result>,
  ): Promise<Result> {
    const session = await backupSession(await this.#config(), key);
    try {
      return await work(session);
    } finally {
      await session.nc.close();
    }
  }

  async #config(): Promise<AdminConfig> {
    const { root } = this.#folder;
    const files = siteFiles(this.#folder);
    const { backupCreds, queueCreds, operatorCreds } = files;
    return {
      ...{ url: natsUrl(this.#site), servername: this.#site.serverName, ca: await this.#ca(), from: root },
      ...{ creds: operatorCreds, backupCreds, restoreCreds: queueCreds },
      // The servers' own list of revoked users is newer than that of the configuration.
      account: { jwt: files.guestJwt, operatorKey: files.operatorSeed, sysCreds: files.sysCreds },
    };
  }

  #ca(): Promise<string> {
    return readFile(this.#site.certificates?.ca ?? siteFiles(this.#folder).caFile, "utf8");
  }

  async #connection({ address }: NatsHost) {
    const { serverName, nats } = this.#site;
    const url = `tls://${hostPort(address, nats.port)}`;
    const credential = await readCreds(siteFiles(this.#folder).backupCreds, Date.now());
    return { address: { url, servername: serverName, ca: await this.#ca() }, credential, name: "cb-admin site" };
  }
}
