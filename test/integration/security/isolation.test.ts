/**
 * Nobody's rights reach beyond their own build. Every test lets an attacker with one kind of credential try, and then
 * looks at the victim: that both streams are as they were, that nobody pulled from the victim's readers, and that the
 * queue was asked nothing in the victim's name.
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

const isolation = suite("isolation: no attack reaches the victim");

const world = await startWorld();
isolation.after(() => world.bus.stop());

const { mallory, victim } = world;
const goals = targets(victim);

for (const { role, guest, allowed, streams } of attackers(mallory)) {
  const { connection } = guest;

  isolation(`${role}: publishing on each of ${goals.length} foreign subjects`, async () => {
    const harm = await world.harm(async () => {
      for (const goal of goals) connection.publish(goal, '{"seq":1}', { reply: `${guest.inboxPrefix}.x` });
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  isolation(`${role}: having ${allowed.length} allowed requests answered to each foreign subject`, async () => {
    const harm = await world.harm(async () => {
      for (const goal of goals) {
        for (const { subject, body } of allowed) connection.publish(subject, body, { reply: goal });
      }
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  isolation(`${role}: overhearing anything of the victim's`, async () => {
    const heard: string[] = [];
    const quiet = () => undefined;
    const ears = secrets(victim)
      // A credential has few subscriptions: one connection an ear would do the same, one at a time does too.
      .map((subject) => () => {
        const ear = connection.subscribe(subject, { callback: (error, m) => void (error ?? heard.push(m.subject)) });
        ear.closed.catch(quiet);
        return ear;
      });
    for (const listen of ears) {
      const ear = listen();
      await connection.flush();
      await victim.user.connection.request(subjects.queue("status", victim.name), "secret", { timeout: 2000 });
      await victim.builder.connection.request(subjects.ask(victim.builderId), "secret", { timeout: 2000 });
      const info = `${GUEST_API_PREFIX}.STREAM.INFO.${buildBucketStream(victim.build)}`;
      await victim.agent.connection.request(info, "", { timeout: 2000 });
      await connection.flush();
      ear.unsubscribe();
    }
    assert.equal(heard, []);
  });

  isolation(`${role}: forging the server's header that names the account`, async () => {
    const forged = headers();
    forged.set(
      "Nats-Request-Info",
      JSON.stringify({ acc: world.bus.installation.core, svc: "SYS", user: victim.name }),
    );
    const harm = await world.harm(async () => {
      for (const goal of goals) connection.publish(goal, "{}", { headers: forged });
      for (const { subject, body } of allowed) connection.publish(subject, body, { headers: forged, reply: "x.y" });
      await connection.flush();
    });
    assert.equal(harm, []);
  });

  for (const stream of streams) {
    isolation(`${role}: a push consumer on ${stream.slice(0, 9)}… for each foreign subject`, async () => {
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

    isolation(`${role}: a consumer on ${stream.slice(0, 9)}… whose body names the victim's stream`, async () => {
      const foreign = stream.replace(mallory.build, victim.build);
      const harm = await world.harm(async () => {
        const body = JSON.stringify({ stream_name: foreign, config: { name: "reader" } });
        const subject = `${GUEST_API_PREFIX}.CONSUMER.CREATE.${stream}.reader`;
        const reply = await connection.request(subject, body, { timeout: 2000 });
        assert.ok("error" in reply.json<object>());
      });
      assert.equal(harm, []);
    });

    isolation(`${role}: more consumers on ${stream.slice(0, 9)}… than its bound`, async () => {
      const made: string[] = [];
      const filter = stream.startsWith("OBJ") ? `$O.build-${mallory.build}.C.>` : subjects.log(mallory.build);
      for (let at = 0; at < 2 * MAX_CONSUMERS; at++) {
        const answer = await createConsumer(connection, { stream, name: `many${at}`, filter });
        if (answer.error === undefined) made.push(`many${at}`);
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

isolation("agent: rollup headers wipe nothing, neither of its own build nor through what it stored", async () => {
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

isolation("agent and caller: changing, purging or deleting the streams of their own build", async () => {
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

isolation("caller: writing log, state or image of its own build, and agent: its context", async () => {
  const manager = await world.core.jetstreamManager();
  const counts = async () => {
    const streams = [buildStream(mallory.build), buildBucketStream(mallory.build)];
    return Promise.all(streams.map(async (stream) => (await manager.streams.info(stream)).state.last_seq));
  };
  const before = await counts();
  const image = buildMetaSubject(mallory.build, "image");
  for (const subject of [subjects.log(mallory.build), subjects.state(mallory.build), image]) {
    mallory.caller.connection.publish(subject, "forged");
  }
  mallory.agent.connection.publish(buildMetaSubject(mallory.build, "context"), "forged");
  await Promise.all([mallory.caller.connection.flush(), mallory.agent.connection.flush()]);
  assert.equal(await counts(), before);
});

isolation("a message id of the attacker's does not swallow the victim's line", async () => {
  const id = headers();
  id.set("Nats-Msg-Id", "line-7");
  await mallory.agent.connection.jetstream().publish(subjects.log(mallory.build), "evil", { headers: id });
  const ack = await victim.agent.connection.jetstream().publish(subjects.log(victim.build), "mine\n", { headers: id });
  assert.is(ack.duplicate, false);
});

isolation("an answer sent to a guess at the victim's inbox does not answer the victim's request", async () => {
  const id = randomUUID();
  const builder = await world.bus.builder(id);
  const silent = world.core.subscribe("nobody.answers");
  const harm = await world.harm(async () => {
    const waiting = victim.user.connection.request(subjects.queue("cancel", "victim"), "", { timeout: 300 });
    builder.connection.publish(subjects.ask(id), "", { reply: `_INBOX.${victim.user.publicKey}.1` });
    assert.is((await waiting).string(), '{"for":"whoever asked"}');
  });
  silent.unsubscribe();
  assert.equal(harm.length, 1, "the victim's own question, once");
});

isolation.run();
