/**
 * A victim with a build at work, an attacker with a build of their own, and a look at the victim before and after.
 *
 * Nothing here asks whether the server complained: only what the victim has, sees and is asked in whose name.
 */
import { randomUUID } from "node:crypto";
import { AckPolicy, type JetStreamManager, type NatsConnection, nanos } from "nats";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { buildBucketStream, buildMetaSubject, buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "./build-streams.ts";
import { type Guest, startBus, type TestBus } from "./nats.ts";

/** Somebody with everything that one person can have here: a name, a builder, a build seen from both ends. */
export interface Party {
  readonly name: string;
  readonly build: string;
  readonly builderId: string;
  readonly user: Guest;
  readonly builder: Guest;
  readonly caller: Guest;
  readonly agent: Guest;
}

export interface World {
  readonly bus: TestBus;
  readonly core: NatsConnection;
  readonly victim: Party;
  readonly mallory: Party;
  /** What the attack changed for the victim, one line a change; empty when it failed. */
  harm(attack: () => Promise<unknown>): Promise<string[]>;
}

/** How many messages lie in each bucket, so that an attacker has enough to have delivered. */
const BUCKET_MESSAGES = 200;

/** Nothing is to happen, and there is no event for that: what got through in the tries that did succeed took 1–10 ms. */
const SETTLE_MS = 60;

export async function startWorld(): Promise<World> {
  const bus = await startBus();
  const core = await bus.core();
  const manager = await core.jetstreamManager();
  const asked: string[] = [];
  // The queue as it will be: plain subscriptions, and it believes the name in the subject.
  for (const subject of ["queue.*.*", "admin.*.*", "builder.*.ask", "$SRV.PING"]) {
    core.subscribe(subject, {
      callback: (_, message) => {
        asked.push(`${message.subject} ${message.string().slice(0, 60)}`);
        if (message.reply?.startsWith("_R_.")) message.respond('{"for":"whoever asked"}');
      },
    });
  }
  openConsumerProxy(core);
  await core.flush();
  const victim = await party(bus, manager, "victim");
  const mallory = await party(bus, manager, "mallory");
  asked.length = 0;
  return { bus, core, victim, mallory, harm: (attack) => harmOf({ core, manager, victim, asked }, attack) };
}

/** Left alone it would vanish after 5 s, in the midst of an attack or before it. */
const READER = { name: "reader", ack_policy: AckPolicy.None, mem_storage: true, inactive_threshold: nanos(3_600_000) };

async function party(bus: TestBus, manager: JetStreamManager, name: string): Promise<Party> {
  const [build, builderId] = [randomUUID(), randomUUID()];
  await makeBuildStreams(manager, build);
  const made = {
    name,
    build,
    builderId,
    user: await bus.user(name),
    builder: await bus.builder(builderId),
    caller: await bus.build(build, "caller"),
    agent: await bus.build(build, "agent"),
  };
  const agent = made.agent.connection.jetstream();
  await agent.publish(subjects.log(build), `log of ${name}\n`);
  await agent.publish(subjects.state(build), `{"state":"building"}`);
  await agent.publish(buildMetaSubject(build, "image"), `{"image":"of ${name}"}`);
  const chunk = `$O.build-${build}.C.of${name}`;
  await Promise.all(
    Array.from({ length: BUCKET_MESSAGES }, () => agent.publish(chunk, `{"state":"succeeded","by":"${name}"}`)),
  );
  // What a reader that is at work has; its progress shows whether somebody else pulled from it.
  for (const stream of [buildStream(build), buildBucketStream(build)]) {
    await manager.consumers.add(stream, READER);
  }
  return made;
}

interface Watched {
  readonly core: NatsConnection;
  readonly manager: JetStreamManager;
  readonly victim: Party;
  readonly asked: string[];
}

async function harmOf(watched: Watched, attack: () => Promise<unknown>): Promise<string[]> {
  const { asked, core, victim } = watched;
  const before = await belongings(watched);
  asked.length = 0;
  await attack();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await core.flush();
  const after = await belongings(watched);
  const changes = Object.keys({ ...before, ...after })
    .filter((key) => before[key] !== after[key])
    .map((key) => `${key}: ${before[key]} became ${after[key]}`);
  const inTheirName = asked.filter((line) => line.includes(victim.name) || line.includes(victim.builderId));
  return [...changes, ...inTheirName.map((line) => `asked in the victim's name: ${line}`)];
}

/** Everything of the victim's that can be changed, as texts: both streams whole, and how far their readers are. */
async function belongings({ manager, victim }: Watched): Promise<Record<string, string>> {
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
