/** A real cb-registry with one copy of a registry. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../../infra/local/http-port.ts";
import { dockerRegistryPath } from "../../../infra/tools/setup/unpacked-program.ts";
import { isReplying } from "../../../lib/oci/is-replying.ts";
import type { Running, Stack } from "../stack.ts";
import { until } from "../until.ts";

export interface Copy {
  /** 127.0.0.1:PORT. */
  readonly host: string;
  /** The folder of the configuration's `folder` in which the copy is. */
  readonly folder: string;
  readonly service: Running;
  stop(): Promise<void>;
}

/** Starts cb-registry with a copy of the registry at `upstream`, 127.0.0.1:PORT without TLS. It may be away. */
export async function startCopy(stack: Stack, name: string, upstream: string): Promise<Copy> {
  const host = `127.0.0.1:${await freePort(0)}`;
  const folder = stack.path(name);
  const config = stack.path(`${name}.yaml`);
  const registries = [{ host: upstream, plainHttp: true, listen: host }];
  writeFileSync(config, stringify({ folder, program: await dockerRegistryPath(), registries }));
  // docker-registry would take a setting from this variable.
  const env = { REGISTRY_HTTP_ADDR: "127.0.0.1:1" };
  const service = stack.start("cb-registry", ["--config", config], { env });
  await service.seen(/cb-registry runs/);
  const stop = async () => {
    service.kill("SIGTERM");
    await service.finished;
  };
  return { host, folder: join(folder, upstream.replace(":", "_")), service, stop };
}

/** While its registry is away, a copy is started again after a pause of up to 60 s. */
const START_MS = 120_000;

/** Resolves when the copy replies, as its registry is there. */
export const replying = ({ host }: Copy): Promise<unknown> =>
  until("the copy replies", () => isReplying({ host, plainHttp: true }, 5_000), START_MS);
