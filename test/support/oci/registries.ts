/** Three real docker-registries with the same images and different authentication: none, basic, token server. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { push, type RunningRegistry, startRegistry } from "./docker-registry.ts";
import { startTokenServer, type TokenServer } from "./token-server.ts";

export const LOGIN = { username: "site", password: "s3cret-of-the-site" };
/** crypt(3) of the password with cost 5, as `htpasswd -B` makes it. */
const HTPASSWD = "site:$2b$05$abcdefghijklmnopqrstuupdwjCkan1ZJuUj4h8YhSom.c5Jduu3e\n";
/** Port 1 of the loopback: nothing listens on it, and the kernel never assigns it as a free port. */
export const DOWN = "127.0.0.1:1";
export const TITAN = { repository: "olcf/titan", tags: ["centos-7_2018-01-18", "ubuntu-16.04_2018-01-18"] };
export const SUMMIT = { repository: "olcf/summit", tags: ["centos-7_2018-02-08"] };

export interface Registries {
  readonly folder: string;
  /** The section `auth` of the configuration for basic authentication. */
  readonly basicAuth: unknown;
  readonly open: RunningRegistry;
  readonly basic: RunningRegistry;
  readonly bearer: RunningRegistry;
  readonly tokens: TokenServer;
  stop(): Promise<void>;
}

export async function startRegistries(): Promise<Registries> {
  const folder = mkdtempSync(join(tmpdir(), "cb-images-"));
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  const basicAuth = { htpasswd: { realm: "test", path: join(folder, "htpasswd") } };
  const tokens = await startTokenServer(folder, `${LOGIN.username}:${LOGIN.password}`);
  const open = await startRegistry({ folder });
  const basic = await startRegistry({ folder, auth: basicAuth });
  const bearer = await startRegistry({ folder, auth: tokens.auth });
  for (const image of [TITAN, SUMMIT]) await push(open.host, image);
  const stop = async () => {
    await Promise.all([open, basic, bearer, tokens].map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, basicAuth, open, basic, bearer, tokens, stop };
}
