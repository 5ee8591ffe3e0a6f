/** The permissions of each credential are enough for its role, across the account boundary. */
import { randomUUID } from "node:crypto";
import { headers, type JetStreamManager, type NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import {
  buildBucketStream,
  buildMetaSubject,
  buildStream,
  GUEST_API_PREFIX,
  QUEUE_VERBS,
  subjects,
} from "../../../lib/protocol/subjects.ts";
import { MAX_CONSUMERS, makeBuildStreams } from "../../support/nats/build-streams.ts";
import { type Guest, startTestNats } from "../../support/nats/nats.ts";
import { plainClient } from "../../support/nats/plain-client.ts";
import { createConsumer, pullMessages } from "../../support/nats/pull.ts";

const test = suite("isolation: the permissions are enough");

const nats = await startTestNats();
const core: NatsConnection = await nats.core();
const manager: JetStreamManager = await core.jetstreamManager();
openConsumerProxy(core);
await core.flush();
test.after(() => nats.stop());

interface BuildAtWork {
  readonly id: string;
  readonly caller: Guest;
  readonly agent: Guest;
}

async function startBuild(): Promise<BuildAtWork> {
  const id = randomUUID();
  await makeBuildStreams(manager, id);
  return { id, caller: await nats.build(id, "caller"), agent: await nats.build(id, "agent") };
}

const linesOf = (build: BuildAtWork, count: number) => {
  const { connection, inboxPrefix } = build.caller;
  const filter = subjects.log(build.id);
  return pullMessages({ connection, inboxPrefix, stream: buildStream(build.id), filter, count });
};

test("a user gets a reply to each request, and the subject that the queue receives names the user", async () => {
  const queue = core.subscribe("queue.*.*", { callback: (_, message) => void message.respond(message.subject) });
  await core.flush();
  const user = await nats.user("alice");
  for (const verb of QUEUE_VERBS) {
    const reply = await user.connection.request(subjects.queue(verb, "alice"), "{}", { timeout: 2000 });
    assert.is(reply.string(), `queue.${verb}.alice`);
  }
  queue.unsubscribe();
});

test("a builder gets the reply to a parked request", async () => {
  const id = randomUUID();
  const builder = await nats.builder(id);
  const parked = new Promise<void>((resolve) => {
    core.subscribe(subjects.ask(id), {
      max: 1,
      callback: (_, message) => {
        setTimeout(() => void message.respond("lease"), 200);
        resolve();
      },
    });
  });
  await core.flush();
  const reply = builder.connection.request(subjects.ask(id), "ready", { timeout: 5000 });
  await parked;
  assert.is((await reply).string(), "lease");
});

test("the caller reads the agent's acknowledged log lines in order through a consumer", async () => {
  const build = await startBuild();
  const jetstream = build.agent.connection.jetstream();
  const acks = await Promise.all(
    ["one\n", "two\n", "three\n"].map((line) => jetstream.publish(subjects.log(build.id), line)),
  );
  assert.equal(
    acks.map((ack) => ack.seq),
    [1, 2, 3],
  );
  const lines = await linesOf(build, 3);
  assert.equal(
    lines.map((line) => line.string()),
    ["one\n", "two\n", "three\n"],
  );
});

test("the caller reads the agent's state as the last message of its subject", async () => {
  const build = await startBuild();
  await build.agent.connection.jetstream().publish(subjects.state(build.id), '{"state":"building"}');
  const subject = `${GUEST_API_PREFIX}.STREAM.MSG.GET.${buildStream(build.id)}`;
  const query = JSON.stringify({ last_by_subj: subjects.state(build.id) });
  const reply = await build.caller.connection.request(subject, query, { timeout: 2000 });
  const { message } = reply.json<{ message: { data: string } }>();
  assert.is(Buffer.from(message.data, "base64").toString(), '{"state":"building"}');
});

test("the agent reads the caller's context, and the caller the agent's image, in chunks", async () => {
  const build = await startBuild();
  const transfers = [
    { object: "context", from: build.caller, to: build.agent },
    { object: "image", from: build.agent, to: build.caller },
    { object: "image-chunks", from: build.agent, to: build.caller },
  ] as const;
  for (const { object, from, to } of transfers) {
    const chunks = `$O.build-${build.id}.C.${object}1`;
    const jetstream = from.connection.jetstream();
    const big = Buffer.alloc(1024 * 1024, object);
    await jetstream.publish(chunks, big);
    await jetstream.publish(chunks, "end");
    await jetstream.publish(buildMetaSubject(build.id, object), "{}");
    const stream = buildBucketStream(build.id);
    const { connection, inboxPrefix } = to;
    const got = await pullMessages({ connection, inboxPrefix, stream, filter: chunks, count: 2 });
    assert.ok(got[0] !== undefined && Buffer.from(got[0].data).equals(big));
    assert.is(got[1]?.string(), "end");
  }
});

test("a created consumer has the requested start and inactive threshold, and no acknowledgements", async () => {
  const build = await startBuild();
  const jetstream = build.agent.connection.jetstream();
  for (const line of ["1", "2", "3"]) await jetstream.publish(subjects.log(build.id), line);
  const at = { stream: buildStream(build.id), name: "mine", filter: subjects.log(build.id) };
  const options = {
    deliver_policy: "by_start_sequence",
    opt_start_seq: 3,
    ack_policy: "none",
    replay_policy: "instant",
  };
  const made = await createConsumer(build.caller.connection, at, { ...options, inactive_threshold: 10_000_000_000 });
  assert.is(made.error, undefined);
  assert.is(made.config?.opt_start_seq, 3);
  assert.is(made.config?.ack_policy, "none");
  assert.is(made.config?.inactive_threshold, 10_000_000_000);
});

test(`a stream accepts ${MAX_CONSUMERS} consumers and refuses the next`, async () => {
  const build = await startBuild();
  const make = (name: string) =>
    createConsumer(build.caller.connection, { stream: buildStream(build.id), name, filter: subjects.log(build.id) });
  for (let made = 0; made < MAX_CONSUMERS; made++) assert.is((await make(`c${made}`)).error, undefined);
  assert.match((await make("more")).error?.description ?? "", /maximum consumers/);
  const gone = await build.caller.connection.request(
    `${GUEST_API_PREFIX}.CONSUMER.DELETE.${buildStream(build.id)}.c0`,
    "",
    { timeout: 2000 },
  );
  assert.is(gone.json<{ success: boolean }>().success, true);
  assert.is((await make("more")).error, undefined);
});

test("an operator's plain-protocol SUB build.*.log receives exactly the raw lines of all builds", async () => {
  const { files, serverName } = nats.installation;
  const credsFile = files.operatorCreds;
  const watcher = await plainClient({ port: nats.port, caFile: files.caFile, serverName, credsFile });
  await watcher.subscribe("build.*.log");
  const [first, second] = [await startBuild(), await startBuild()];
  const raw = Buffer.from("\u001b[32mINFO:\u001b[0m caf\u00e9\r\n50%\r\u0000\u00ff", "latin1");
  const id = headers();
  id.set("Nats-Msg-Id", "1");
  await first.agent.connection.jetstream().publish(subjects.log(first.id), raw, { headers: id });
  await first.agent.connection.jetstream().publish(subjects.state(first.id), "{}");
  await second.agent.connection.jetstream().publish(subjects.log(second.id), "line\n");
  await watcher.received(2);
  const [one, two, ...more] = watcher.messages;
  assert.is(one?.subject, subjects.log(first.id));
  assert.ok(one?.data.equals(raw));
  assert.is(two?.subject, subjects.log(second.id));
  assert.is(two?.data.toString(), "line\n");
  assert.is(more.length, 0);
  watcher.close();
});

test("an operator may ping the services, but not subscribe to users' requests", async () => {
  core.subscribe("$SRV.PING", { callback: (_, message) => void message.respond("here") });
  await core.flush();
  const operator = await nats.operator();
  assert.is((await operator.connection.request("$SRV.PING", "", { timeout: 2000 })).string(), "here");
  const { files, serverName } = nats.installation;
  const options = { port: nats.port, caFile: files.caFile, serverName, credsFile: files.operatorCreds };
  const watcher = await plainClient(options);
  let refused = "";
  await watcher.subscribe("queue.>").catch((error: Error) => {
    refused = error.message;
  });
  watcher.close();
  assert.match(refused, /Permissions Violation/);
});

test("streams, accounts and credentials survive a restart of the server", async () => {
  const build = await startBuild();
  await build.agent.connection.jetstream().publish(subjects.log(build.id), "before\n");
  await nats.restart();
  const again = await nats.build(build.id, "caller");
  const coreAgain = await nats.core();
  openConsumerProxy(coreAgain);
  await coreAgain.flush();
  const lines = await linesOf({ ...build, caller: again }, 1);
  assert.is(lines[0]?.string(), "before\n");
});

test.run();
