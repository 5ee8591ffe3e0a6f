/** A minimal reader, to show which permissions are enough: creates a consumer, pulls once and returns the messages. */
import { createInbox, headers, type Msg, type NatsConnection } from "nats";
import { GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";

export interface Pull {
  readonly connection: NatsConnection;
  readonly inboxPrefix: string;
  readonly stream: string;
  readonly filter: string;
  /** How many messages to wait for. */
  readonly count: number;
}

/** Requests a consumer under the guests' prefix and returns the parsed reply. */
export async function createConsumer(
  connection: NatsConnection,
  at: { stream: string; name: string; filter: string },
  config: Record<string, unknown> = {},
): Promise<{ name?: string; error?: { description: string }; config?: Record<string, unknown> }> {
  const body = { stream_name: at.stream, config: { name: at.name, filter_subject: at.filter, ...config } };
  const subject = `${GUEST_API_PREFIX}.CONSUMER.CREATE.${at.stream}.${at.name}.${at.filter}`;
  const reply = await connection.request(subject, JSON.stringify(body), { timeout: 2000 });
  return reply.json();
}

let count = 0;

export async function pullMessages(pull: Pull): Promise<Msg[]> {
  const name = `t${++count}`;
  const made = await createConsumer(pull.connection, { stream: pull.stream, name, filter: pull.filter });
  if (made.error !== undefined) throw new Error(made.error.description);
  const inbox = createInbox(pull.inboxPrefix);
  const messages: Msg[] = [];
  const subscription = pull.connection.subscribe(inbox, { max: pull.count, timeout: 5000 });
  const body = JSON.stringify({ batch: pull.count, expires: 5_000_000_000 });
  const subject = `${GUEST_API_PREFIX}.CONSUMER.MSG.NEXT.${pull.stream}.${name}`;
  pull.connection.publish(subject, body, { reply: inbox, headers: headers() });
  for await (const message of subscription) messages.push(message);
  return messages;
}
