/** Reads how much of JetStream's storage is used, reserved and allowed. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import type { StorageUse } from "./state-metrics.ts";

/** nats-server sends -1 for "unlimited". 2.9 does not send the reserved storage, so it is added up here. */
const accountInfo = v.object({ storage: v.number(), limits: v.object({ max_storage: v.number() }) });

/** Throws CbError "infrastructure", or NatsError when JetStream does not answer within 5 s. */
export async function readStorageUse(nc: NatsConnection): Promise<StorageUse> {
  const manager = await nc.jetstreamManager({ checkAPI: false });
  const parsed = v.safeParse(accountInfo, await manager.getAccountInfo());
  if (!parsed.success) throw new CbError("infrastructure", "JetStream's reply is no description of an account");
  const { storage, limits } = parsed.output;
  let reservedBytes = 0;
  for await (const { config } of manager.streams.list()) reservedBytes += Math.max(0, config.max_bytes);
  return {
    usedBytes: storage,
    reservedBytes,
    limitBytes: limits.max_storage < 0 ? undefined : limits.max_storage,
  };
}
