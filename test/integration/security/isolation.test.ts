/**
 * No credential reaches beyond its own build. In each test an attacker with one kind of credential tries an attack. The test then
 * checks that both streams of the victim are unchanged, that no other client pulled from the victim's consumers, and that the queue
 * received no request in the victim's name.
 */
import { randomUUID } from "node:crypto";
import { headers } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  buildBucketStream,
  buildMetaSubject,
  buildStream,
  GUEST_API_PREFIX,
  subjects,
} from "../../../lib/protocol/subjects.ts";
import { startWorld } from "../../support/nats/attack.ts";
import { attackers, secrets, targets } from "../../support/nats/attack-subjects.ts";
import { MAX_CONSUMERS } from "../../support/nats/build-streams.ts";
import { createConsumer } from "../../support/nats/pull.ts";

const test = suite("isolation: no attack reaches the victim");

const world = await startWorld();
test.after(() => world.nats.stop());

const { mallory, victim } = world;
const goals = targets(victim);

for (const { role, guest, allowed, streams } of attackers(mallory)) {
  const { connection } = guest;

  test(`${role}: publishing on each of ${goals.length} subjects of the victim or the server does no harm`, async () => {
    const harm = await world.harm(async () => {
      for (const goal of goals) connection.publish(goal, '{"seq":1}', { reply: `${guest.inboxPrefix}.x` });
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  test(`${role}: ${allowed.length} allowed requests with each of these as the reply subject do no harm`, async () => {
    const harm = await world.harm(async () => {
      for (const goal of goals) {
        for (const { subject, body } of allowed) connection.publish(subject, body, { reply: goal });
      }
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  test(`${role}: subscribing to the victim's subjects or wildcards receives nothing of the victim`, async () => {
    const received: string[] = [];
    const quiet = () => undefined;
    const subscribers = secrets(victim)
      // One at a time, because a credential has few subscriptions.
      .map((subject) => () => {
        const subscription = connection.subscribe(subject, {
          callback: (error, m) => void (error ?? received.push(m.subject)),
        });
        subscription.closed.catch(quiet);
        return subscription;
      });
    for (const subscribe of subscribers) {
      const subscription = subscribe();
      await connection.flush();
      await victim.user.connection.request(subjects.queue("status", victim.name), "secret", { timeout: 2000 });
      await victim.builder.connection.request(subjects.ask(victim.builderId), "secret", { timeout: 2000 });
      const info = `${GUEST_API_PREFIX}.STREAM.INFO.${buildBucketStream(victim.build)}`;
      await victim.agent.connection.request(info, "", { timeout: 2000 });
      await connection.flush();
      subscription.unsubscribe();
    }
    assert.equal(received, []);
  });

  test(`${role}: forging the server's header that names the account does no harm`, async () => {
    const forged = headers();
    forged.set(
      "Nats-Request-Info",
      JSON.stringify({ acc: world.nats.installation.core, svc: "SYS", user: victim.name }),
    );
    const harm = await world.harm(async () => {
      for (const goal of goals) connection.publish(goal, "{}", { headers: forged });
      for (const { subject, body } of allowed) connection.publish(subject, body, { headers: forged, reply: "x.y" });
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  for (const stream of streams) {
    test(`${role}: a push consumer on ${stream.slice(0, 9)}… is refused for each of these subjects`, async () => {
      const filter = stream.startsWith("OBJ") ? `$O.build-${mallory.build}.C.>` : subjects.log(mallory.build);
      const harm = await world.harm(async () => {
        for (const [at, goal] of goals.entries()) {
          const made = await createConsumer(
            connection,
            { stream, name: `push${at}`, filter },
            { deliver_subject: goal },
          );
          assert.match(made.error?.description ?? "made", /deliver_subject is refused/);
        }
      });
      assert.equal(harm, []);
    });

    test(`${role}: a consumer on ${stream.slice(0, 9)}… is refused when the body names the victim's stream`, async () => {
      const victimStream = stream.replace(mallory.build, victim.build);
      const harm = await world.harm(async () => {
        const body = JSON.stringify({ stream_name: victimStream, config: { name: "reader" } });
        const subject = `${GUEST_API_PREFIX}.CONSUMER.CREATE.${stream}.reader`;
        const reply = await connection.request(subject, body, { timeout: 2000 });
        assert.ok("error" in reply.json<object>());
      });
      assert.equal(harm, []);
    });

    test(`${role}: no more consumers can be created on ${stream.slice(0, 9)}… than its limit`, async () => {
      const made: string[] = [];
      const filter = stream.startsWith("OBJ") ? `$O.build-${mallory.build}.C.>` : subjects.log(mallory.build);
      for (let at = 0; at < 2 * MAX_CONSUMERS; at++) {
        const created = await createConsumer(connection, { stream, name: `many${at}`, filter });
        if (created.error === undefined) made.push(`many${at}`);
      }
      const manager = await world.core.jetstreamManager();
      const { consumer_count } = (await manager.streams.info(stream)).state;
      assert.ok(made.length > 0);
      assert.is(consumer_count, MAX_CONSUMERS);
      for (const name of made) {
        await connection.request(`${GUEST_API_PREFIX}.CONSUMER.DELETE.${stream}.${name}`, "", { timeout: 2000 });
      }
    });
  }
}

test("agent: rollup headers delete no message of its own build or the victim's", async () => {
  const jetstream = mallory.agent.connection.jetstream();
  const before = await world.core
    .jetstreamManager()
    .then((manager) => manager.streams.info(buildStream(mallory.build)));
  const harm = await world.harm(async () => {
    for (const value of ["all", "sub"]) {
      const rollup = headers();
      rollup.set("Nats-Rollup", value);
      for (const subject of [subjects.log(mallory.build), buildMetaSubject(mallory.build, "image")]) {
        const refused = await jetstream
          .publish(subject, "evil", { headers: rollup })
          .catch((error: Error) => error.message);
        assert.match(String(refused), /rollup not permitted/);
      }
      for (const goal of goals) mallory.agent.connection.publish(goal, "evil", { headers: rollup });
    }
  });
  assert.equal(harm, []);
  const manager = await world.core.jetstreamManager();
  assert.is((await manager.streams.info(buildStream(mallory.build))).state.messages, before.state.messages);
});

test("agent and caller: updating, purging or deleting the streams of their own build has no effect", async () => {
  const manager = await world.core.jetstreamManager();
  for (const stream of [buildStream(mallory.build), buildBucketStream(mallory.build)]) {
    const before = await manager.streams.info(stream);
    for (const { connection } of [mallory.caller, mallory.agent]) {
      for (const prefix of ["$JS.API", GUEST_API_PREFIX]) {
        for (const call of ["PURGE", "DELETE", "UPDATE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN"]) {
          connection.publish(`${prefix}.STREAM.${call}.${stream}`, JSON.stringify({ ...before.config, seq: 1 }));
        }
      }
      await connection.flush();
    }
    const after = await manager.streams.info(stream);
    assert.equal(after.config, before.config);
    assert.equal(after.state, before.state);
  }
});

test("caller: cannot write log, state or image of its own build, and agent: not the context", async () => {
  const manager = await world.core.jetstreamManager();
  const counts = async () => {
    const streams = [buildStream(mallory.build), buildBucketStream(mallory.build)];
    return Promise.all(streams.map(async (stream) => (await manager.streams.info(stream)).state.last_seq));
  };
  const before = await counts();
  const images = (["image", "image-chunks"] as const).map((object) => buildMetaSubject(mallory.build, object));
  for (const subject of [subjects.log(mallory.build), subjects.state(mallory.build), ...images]) {
    mallory.caller.connection.publish(subject, "forged");
  }
  mallory.agent.connection.publish(buildMetaSubject(mallory.build, "context"), "forged");
  await Promise.all([mallory.caller.connection.flush(), mallory.agent.connection.flush()]);
  assert.equal(await counts(), before);
});

test("a message id of the attacker does not make the victim's line a duplicate", async () => {
  const id = headers();
  id.set("Nats-Msg-Id", "line-7");
  await mallory.agent.connection.jetstream().publish(subjects.log(mallory.build), "evil", { headers: id });
  const ack = await victim.agent.connection.jetstream().publish(subjects.log(victim.build), "mine\n", { headers: id });
  assert.is(ack.duplicate, false);
});

test("a reply subject that guesses the victim's inbox does not complete the victim's request", async () => {
  const id = randomUUID();
  const builder = await world.nats.builder(id);
  const harm = await world.harm(async () => {
    const waiting = victim.user.connection.request(subjects.queue("cancel", "victim"), "", { timeout: 300 });
    builder.connection.publish(subjects.ask(id), "", { reply: `_INBOX.${victim.user.publicKey}.1` });
    assert.is((await waiting).string(), '{"to":"the requester"}');
  });
  assert.equal(harm.length, 1, "the victim's own request, once");
});

test.run();
