/**
 * A victim with a running build, an attacker with another, and a comparison of the victim's state before and after an attack.
 *
 * It does not matter whether the server reports an error. Only the victim's streams and consumers count, and the requests that the
 * queue received in the victim's name.
 */
import { randomUUID } from "node:crypto";
import { AckPolicy, type JetStreamManager, type NatsConnection, nanos } from "nats";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { buildBucketStream, buildMetaSubject, buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "./build-streams.ts";
import { type Guest, startTestNats, type TestNats } from "./nats.ts";

/** One user with every kind of credential: as a user, as a builder, and as the caller and the agent of a build. */
export interface Party {
  readonly name: string;
  readonly build: string;
  readonly builderId: string;
  readonly user: Guest;
  readonly builder: Guest;
  readonly caller: Guest;
  readonly agent: Guest;
}

export interface AttackScene {
  readonly nats: TestNats;
  readonly core: NatsConnection;
  readonly victim: Party;
  readonly mallory: Party;
  /** The changes that the attack made for the victim, one line each; empty when the attack failed. */
  harm(attack: () => Promise<unknown>): Promise<string[]>;
}

/** Messages in each bucket: enough for a delivery to each subject that is attacked. */
const BUCKET_MESSAGES = 200;

/** There is no event for "nothing happened". Attacks that succeeded in trials took effect within 1–10 ms. */
const SETTLE_MS = 60;

export async function startWorld(): Promise<AttackScene> {
  const nats = await startTestNats();
  const core = await nats.core();
  const manager = await core.jetstreamManager();
  const requests: string[] = [];
  // Stands for the queue, which trusts the name in the subject.
  for (const subject of ["queue.*.*", "admin.*.*", "builder.*.ask", "$SRV.PING"]) {
    core.subscribe(subject, {
      callback: (_, message) => {
        requests.push(`${message.subject} ${message.string().slice(0, 60)}`);
        if (message.reply?.startsWith("_R_.")) message.respond('{"to":"the requester"}');
      },
    });
  }
  openConsumerProxy(core);
  await core.flush();
  const victim = await party(nats, manager, "victim");
  const mallory = await party(nats, manager, "mallory");
  requests.length = 0;
  return { nats, core, victim, mallory, harm: (attack) => harmOf({ core, manager, victim, requests }, attack) };
}

/** With the default threshold of 5 s the server could delete it during a test. */
const READER = { name: "reader", ack_policy: AckPolicy.None, mem_storage: true, inactive_threshold: nanos(3_600_000) };

async function party(nats: TestNats, manager: JetStreamManager, name: string): Promise<Party> {
  const [build, builderId] = [randomUUID(), randomUUID()];
  await makeBuildStreams(manager, build);
  const made = {
    name,
    build,
    builderId,
    user: await nats.user(name),
    builder: await nats.builder(builderId),
    caller: await nats.build(build, "caller"),
    agent: await nats.build(build, "agent"),
  };
  const agent = made.agent.connection.jetstream();
  await agent.publish(subjects.log(build), `log of ${name}\n`);
  await agent.publish(subjects.state(build), `{"state":"building"}`);
  await agent.publish(buildMetaSubject(build, "image"), `{"image":"of ${name}"}`);
  const chunk = `$O.build-${build}.C.of${name}`;
  await Promise.all(
    Array.from({ length: BUCKET_MESSAGES }, () => agent.publish(chunk, `{"state":"succeeded","by":"${name}"}`)),
  );
  // A reader's consumer. Its progress shows whether another client pulled from it.
  for (const stream of [buildStream(build), buildBucketStream(build)]) {
    await manager.consumers.add(stream, READER);
  }
  return made;
}

interface Watched {
  readonly core: NatsConnection;
  readonly manager: JetStreamManager;
  readonly victim: Party;
  readonly requests: string[];
}

async function harmOf(watched: Watched, attack: () => Promise<unknown>): Promise<string[]> {
  const { requests, core, victim } = watched;
  const before = await stateOf(watched);
  requests.length = 0;
  await attack();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await core.flush();
  const after = await stateOf(watched);
  const changes = Object.keys({ ...before, ...after })
    .filter((key) => before[key] !== after[key])
    .map((key) => `${key}: ${before[key]} became ${after[key]}`);
  const inVictimsName = requests.filter((line) => line.includes(victim.name) || line.includes(victim.builderId));
  return [...changes, ...inVictimsName.map((line) => `request in the victim's name: ${line}`)];
}

/** The victim's state as texts: configuration and messages of both streams, and the progress of their consumers. */
async function stateOf({ manager, victim }: Watched): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const stream of [buildStream(victim.build), buildBucketStream(victim.build)]) {
    const info = await manager.streams.info(stream, { subjects_filter: ">" }).catch((error: Error) => error.message);
    if (typeof info === "string") return { stream: info };
    const { state, config } = info;
    found[`${stream} config`] = JSON.stringify(config);
    found[`${stream} messages`] = `${state.first_seq}-${state.last_seq} ${JSON.stringify(state.subjects)}`;
    const consumers = await manager.consumers.list(stream).next();
    found[`${stream} readers`] = JSON.stringify(
      consumers.map((consumer) => [consumer.name, consumer.delivered.stream_seq, consumer.num_waiting]),
    );
  }
  return found;
}
