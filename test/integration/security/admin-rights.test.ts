/** Only an operator reaches the admin subjects, and only under its own name; no credential of GUEST does. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { operatorPermissions } from "../../../lib/protocol/permissions.ts";
import { ADMIN_VERBS, subjects } from "../../../lib/protocol/subjects.ts";
import { type Guest, startTestNats } from "../../support/nats/nats.ts";

const test = suite("admin rights");

const nats = await startTestNats();
test.after(() => nats.stop());

/** Stands for the queue, which trusts the name in the subject. */
const core = await nats.core();
const received: string[] = [];
core.subscribe("admin.>", {
  callback: (_, message) => {
    received.push(message.subject);
    message.respond("here");
  },
});
await core.flush();

const request = ({ connection }: Guest, subject: string) =>
  connection.request(subject, "{}", { timeout: 1000 }).then(
    (reply) => reply.string(),
    () => "no reply",
  );

test("an operator gets a reply to each admin request under its own name", async () => {
  const operator = await nats.operator();
  for (const verb of ADMIN_VERBS) assert.is(await request(operator, subjects.admin(verb, "operator")), "here");
  assert.equal(
    received.splice(0),
    ADMIN_VERBS.map((verb) => `admin.${verb}.operator`),
  );
});

test("an operator cannot send a request in another operator's name", async () => {
  const key = createKey("user");
  const signer = await readKeyFile(nats.installation.files.coreSigningSeed);
  const about = { name: "other", publicKey: key.publicKey, issuedAtMs: Date.now() };
  const jwt = userJwt(about, operatorPermissions("other", key.publicKey), signer, nats.installation.core);
  const creds = parseCreds(formatCreds(jwt, key), "made here");
  const other = await nats.connect(creds.jwt, creds.key);
  assert.is(await request(other, subjects.admin("users", "other")), "here");
  assert.is(await request(other, subjects.admin("users", "operator")), "no reply");
  assert.equal(received.splice(0), ["admin.users.other"]);
});

test("a user, a builder, a caller and an agent reach no admin subject, neither directly nor as a reply subject", async () => {
  const [build, builder] = [randomUUID(), randomUUID()];
  const guests = [await nats.user("operator"), await nats.builder(builder), await nats.build(build, "caller")];
  guests.push(await nats.build(build, "agent"));
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
    assert.is(await request(guest, subjects.admin("users", "operator")), "no reply");
  }
  await core.flush();
  assert.equal(received, []);
});

test.run();
