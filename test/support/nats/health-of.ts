/** The health of the streams of a connection, with a silent log. */
import type { NatsConnection } from "nats";
import { createLogger } from "../../../lib/core/log.ts";
import { StreamHealth } from "../../../lib/nats/jetstream/stream-health.ts";

export const healthOf = (nc: NatsConnection): StreamHealth =>
  new StreamHealth({ nc, log: createLogger({ name: "test", level: "silent" }) });
