/** What a user may ask about builds made earlier: which there are, and to watch one again. */

import { CbError } from "../../core/errors.ts";
import type { BuildEntry, BuildsReply } from "../../protocol/builds-messages.ts";
import type { BuildRecord } from "../builds/record.ts";
import { watchingMs } from "../leases/credential-life.ts";
import type { QueuePorts } from "../ports.ts";

export class OwnBuilds {
  readonly #ports: QueuePorts;

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  /** The sweep bounds how many there are of one user. */
  list(user: string): BuildsReply {
    const { builds, clock, limits } = this.#ports;
    const own = builds.all().filter((record) => record.user === user);
    const entries = own
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs)
      .map((record) => entryOf(record, limits.imageKeptMs));
    return { v: 1, nowMs: clock.nowMs(), builds: entries };
  }

  /** Throws CbError "usage" for a build that is not this user's, in the same words as for one that is not at all. */
  attach(user: string, { build, publicKey }: { build: string; publicKey: string }) {
    const { builds, clock, issuer, limits } = this.#ports;
    const record = builds.get(build);
    if (record?.user !== user) throw unknownBuild(build);
    const expiresAtMs = clock.nowMs() + watchingMs(limits);
    const jwt = issuer.buildJwt({ build, role: "caller", publicKey, expiresAtMs });
    const { leasedAtMs, state, name } = record;
    const runs = state === "leased" && leasedAtMs !== undefined;
    const left = runs ? { leftMs: Math.max(0, leasedAtMs + limits.buildMs - clock.nowMs()) } : {};
    return { v: 1 as const, jwt, name, ...left };
  }
}

function entryOf(record: BuildRecord, imageKeptMs: number): BuildEntry {
  const { build, name, attempt, createdAtMs, leasedAtMs, endedAtMs, final } = record;
  const state = record.state === "ended" ? (final?.state ?? "lost") : record.state;
  const kept = final?.state === "succeeded" && !record.emptied && !record.received && endedAtMs !== undefined;
  return {
    build,
    name,
    state,
    reason: reasonOf(record),
    attempt,
    createdAtMs,
    ...(leasedAtMs === undefined ? {} : { leasedAtMs }),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(final?.state === "succeeded" ? { imageBytes: final.bytes } : {}),
    ...(kept ? { imageUntilMs: endedAtMs + imageKeptMs } : {}),
  };
}

/** Why it has ended, or has to begin anew. */
function reasonOf({ state, final, loss }: BuildRecord): string {
  if (final !== undefined) return "reason" in final ? final.reason : "";
  return state === "waiting" ? (loss?.reason ?? "") : "";
}

export const unknownBuild = (id: string): CbError =>
  new CbError("usage", `no build ${id} of yours is known`, {
    hint: "cb-builds lists yours; it may have ended long ago, or be another user's",
  });
