/** Whether a failure is NATS's being away, or JetStream's behind it, and not a refusal of what was asked. */
import { NatsError } from "nats";

/** nats.js's own; "503" is "no responders" unless JetStream gives an error of its own with it. */
const AWAY = ["TIMEOUT", "503", "CONNECTION_CLOSED", "CONNECTION_DRAINING", "DISCONNECT"];
/** "JetStream system temporarily unavailable" (nats-server errors.json). */
const JETSTREAM_UNAVAILABLE = 10008;

/** Of what was thrown, or of the cause that it names. */
export function isNatsAway(thrown: unknown): boolean {
  const error = thrown instanceof Error && !(thrown instanceof NatsError) ? thrown.cause : thrown;
  if (!(error instanceof NatsError)) return false;
  if (error.api_error !== undefined) return error.api_error.err_code === JETSTREAM_UNAVAILABLE;
  return AWAY.includes(error.code);
}
