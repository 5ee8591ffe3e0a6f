/** Only operators reach what operators ask: nobody in GUEST, whatever their credential, and no operator in another's name. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { operatorPermissions } from "../../../lib/protocol/permissions.ts";
import { ADMIN_VERBS, subjects } from "../../../lib/protocol/subjects.ts";
import { type Guest, startBus } from "../../support/nats/nats.ts";

const rights = suite("admin rights");

const bus = await startBus();
rights.after(() => bus.stop());

/** The queue as it serves these subjects: it believes the name in them. */
const core = await bus.core();
const asked: string[] = [];
core.subscribe("admin.>", {
  callback: (_, message) => {
    asked.push(message.subject);
    message.respond("here");
  },
});
await core.flush();

const ask = ({ connection }: Guest, subject: string) =>
  connection.request(subject, "{}", { timeout: 1000 }).then(
    (reply) => reply.string(),
    () => "no answer",
  );

rights("an operator gets an answer to each question, under its own name", async () => {
  const operator = await bus.operator();
  for (const verb of ADMIN_VERBS) assert.is(await ask(operator, subjects.admin(verb, "operator")), "here");
  assert.equal(
    asked.splice(0),
    ADMIN_VERBS.map((verb) => `admin.${verb}.operator`),
  );
});

rights("an operator asks nothing in another operator's name", async () => {
  const key = createKey("user");
  const signer = await readKeyFile(bus.installation.files.coreSigningSeed);
  const about = { name: "other", publicKey: key.publicKey, issuedAtMs: Date.now() };
  const jwt = userJwt(about, operatorPermissions("other", key.publicKey), signer, bus.installation.core);
  const creds = parseCreds(formatCreds(jwt, key), "made here");
  const other = await bus.connect(creds.jwt, creds.key);
  assert.is(await ask(other, subjects.admin("users", "other")), "here");
  assert.is(await ask(other, subjects.admin("users", "operator")), "no answer");
  assert.equal(asked.splice(0), ["admin.users.other"]);
});

rights("a user, a builder, a caller and an agent reach none of it, by no name and by no reply", async () => {
  const [build, builder] = [randomUUID(), randomUUID()];
  const guests = [await bus.user("operator"), await bus.builder(builder), await bus.build(build, "caller")];
  guests.push(await bus.build(build, "agent"));
  const own = [subjects.queue("status", "operator"), subjects.ask(builder), subjects.log(build), subjects.state(build)];
  core.subscribe("queue.>", { callback: (_, message) => void message.respond("here") });
  core.subscribe("builder.>", { callback: (_, message) => void message.respond("here") });
  await core.flush();
  for (const guest of guests) {
    for (const verb of ADMIN_VERBS) {
      const subject = subjects.admin(verb, "operator");
      guest.connection.publish(subject, "{}", { reply: `${guest.inboxPrefix}.x` });
      for (const allowed of own) guest.connection.publish(allowed, "{}", { reply: subject });
    }
    await guest.connection.flush();
    assert.is(await ask(guest, subjects.admin("users", "operator")), "no answer");
  }
  await core.flush();
  assert.equal(asked, []);
});

rights.run();
