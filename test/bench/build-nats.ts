/**
 * A nats-server with TLS and the streams of one build, and connections with the rights of its caller and its agent: the path that
 * the bytes of a build take, without a queue and a builder.
 */
import { readFileSync } from "node:fs";
import type { JetStreamManager } from "nats";
import type { NatsAddress } from "../../lib/nats/connection.ts";
import { createKey } from "../../lib/nats/credentials/nkey.ts";
import type { JetStreamAccess } from "../../lib/nats/jetstream/api.ts";
import { openConsumerProxy } from "../../lib/nats/jetstream/consumer-proxy.ts";
import type { BuildRole } from "../../lib/protocol/permissions.ts";
import { bucket, buildBucketStream, buildStream, GUEST_API_PREFIX } from "../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "../support/nats/build-streams.ts";
import { startTestNats, type TestNats } from "../support/nats/nats.ts";
import type { World } from "./world.ts";

/** The only build on this server. */
const BUILD = "00000000-0000-4000-8000-000000000001";
export const BUCKET = bucket(BUILD);

const HOUR_MS = 3_600_000;

/** The credential of another process, as text. */
export interface SentCredential {
  readonly address: NatsAddress;
  readonly jwt: string;
  readonly seed: string;
}

export class BuildNats {
  readonly nats: TestNats;
  readonly #manager: JetStreamManager;
  readonly #maxBytes: number;

  private constructor(nats: TestNats, manager: JetStreamManager, maxBytes: number) {
    this.nats = nats;
    this.#manager = manager;
    this.#maxBytes = maxBytes;
  }

  /** `maxBytes` bounds each of the two streams. */
  static async start(world: World, maxBytes: number): Promise<BuildNats> {
    // A busy machine may not answer a ping within the default second.
    const nats = await startTestNats({ server: { pingIntervalMs: 60_000 } });
    world.onClose(() => nats.stop());
    const proxy = openConsumerProxy(await nats.core());
    for (const stream of [buildStream(BUILD), buildBucketStream(BUILD)]) proxy.expect(stream);
    const manager = await (await nats.core()).jetstreamManager();
    await makeBuildStreams(manager, BUILD, maxBytes);
    return new BuildNats(nats, manager, maxBytes);
  }

  /** A connection of its own with the rights of that role. */
  async guest(role: BuildRole): Promise<JetStreamAccess> {
    const { connection, inboxPrefix } = await this.nats.build(BUILD, role);
    return { nc: connection, apiPrefix: GUEST_API_PREFIX, inboxPrefix };
  }

  /** The agent's rights for another process. */
  agentElsewhere(): SentCredential {
    const { url, issuer, installation } = this.nats;
    const key = createKey("user");
    const grant = { build: BUILD, role: "agent", publicKey: key.publicKey, expiresAtMs: Date.now() + HOUR_MS } as const;
    const ca = readFileSync(installation.files.caFile, "utf8");
    const address = { url, ca, servername: installation.serverName };
    return { address, jwt: issuer.buildJwt(grant), seed: key.seed() };
  }

  /** Makes the streams anew, empty: their messages cannot be deleted. */
  async empty(): Promise<void> {
    for (const stream of [buildStream(BUILD), buildBucketStream(BUILD)]) await this.#manager.streams.delete(stream);
    await makeBuildStreams(this.#manager, BUILD, this.#maxBytes);
  }
}
