/** Authentication, and the limits of one credential. */

import { randomUUID } from "node:crypto";
import { connect, ErrorCode, Events } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { authenticator } from "../../../lib/nats/credentials/authenticator.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { MESSAGE_MAX_BYTES } from "../../../lib/protocol/codec.ts";
import { userPermissions } from "../../../lib/protocol/permissions.ts";
import { subjects } from "../../../lib/protocol/subjects.ts";
import { startTestNats } from "../../support/nats/nats.ts";

const test = suite("isolation: authentication");

const nats = await startTestNats();
const { guest, files, serverName } = nats.installation;
const signingKey = await readKeyFile(files.guestSigningSeed);
test.after(() => nats.stop());

const key = createKey("user");
const about = { name: "alice", publicKey: key.publicKey, issuedAtMs: Date.now() };
const rights = userPermissions("alice", key.publicKey);

/** The code of the server's refusal; "accepted" when it accepts the credential. */
async function refusal(jwt: string, holder: NKey): Promise<string> {
  return nats.connect(jwt, holder).then(
    () => "accepted",
    (error: { code: string }) => error.code,
  );
}

test("the server accepts a JWT that the account's signing key signed, without an expiry", async () => {
  assert.is(await refusal(userJwt(about, rights, signingKey, guest), key), "accepted");
});

test("the server refuses a JWT that has expired or is for another key", async () => {
  const expired = userJwt({ ...about, expiresAtMs: Date.now() - 1000 }, rights, signingKey, guest);
  assert.is(await refusal(expired, key), ErrorCode.AuthorizationViolation);
  const others = userJwt(about, rights, signingKey, guest);
  assert.is(await refusal(others, createKey("user")), ErrorCode.AuthorizationViolation);
});

test("the server refuses a JWT signed by another installation, by a user, or for another account", async () => {
  const other = await startTestNats();
  try {
    const { creds } = other.issuer.userCreds("alice");
    const parsed = parseCreds(creds, "the other installation");
    assert.is(await refusal(parsed.jwt, parsed.key), ErrorCode.AuthorizationViolation);
    const otherSigner = await readKeyFile(other.installation.files.guestSigningSeed);
    const forged = userJwt(about, rights, otherSigner, guest);
    assert.is(await refusal(forged, key), ErrorCode.AuthorizationViolation);
  } finally {
    await other.stop();
  }
  assert.is(await refusal(userJwt(about, rights, key, guest), key), ErrorCode.AuthorizationViolation);
  const inCore = userJwt(about, rights, signingKey, nats.installation.core);
  assert.is(await refusal(inCore, key), ErrorCode.AuthorizationViolation);
});

test("the server refuses a JWT that was changed after signing", async () => {
  const [header = "", claims = "", signature = ""] = userJwt(about, rights, signingKey, guest).split(".");
  const wider = JSON.parse(Buffer.from(claims, "base64url").toString());
  wider.nats.pub.allow = [">"];
  const forged = `${header}.${Buffer.from(JSON.stringify(wider)).toString("base64url")}.${signature}`;
  assert.is(await refusal(forged, key), ErrorCode.AuthorizationViolation);
});

test("the server closes a connection when its JWT expires", async () => {
  const brief = userJwt({ ...about, expiresAtMs: Date.now() + 2000 }, rights, signingKey, guest);
  const { connection } = await nats.connect(brief, key, { reconnect: false });
  const closed = await connection.closed();
  assert.is((closed as { code?: string } | undefined)?.code, ErrorCode.AuthenticationExpired);
});

test("a JWT without permissions may neither subscribe nor publish: the account denies both by default", async () => {
  const bare = userJwt(about, {}, signingKey, guest);
  const { connection } = await nats.connect(bare, key);
  let refused = "";
  const subscription = connection.subscribe(">", {
    callback: (error) => {
      refused = error?.code ?? "";
    },
  });
  subscription.closed.catch(() => undefined);
  await connection.flush();
  assert.is(refused, ErrorCode.PermissionsViolation);
  const received: string[] = [];
  const core = await nats.core();
  core.subscribe("queue.>", { callback: (_, message) => void received.push(message.subject) });
  await core.flush();
  connection.publish(subjects.queue("cancel", "alice"), "");
  await connection.flush();
  await core.flush();
  assert.equal(received, []);
});

test("the server refuses the ninth subscription of a user, and limits the payload by the role", async () => {
  const user = await nats.user("bob");
  const refused = (async () => {
    // nats.js reports the server's "maximum subscriptions exceeded" as a protocol error.
    for await (const status of user.connection.status()) if (status.type === Events.Error) return String(status.data);
    return "not refused";
  })();
  for (let at = 0; at < 8; at++) user.connection.subscribe(`${user.inboxPrefix}.${at}`);
  await user.connection.flush();
  user.connection.subscribe(`${user.inboxPrefix}.8`);
  await user.connection.flush();
  await user.connection.close();
  assert.is(await refused, ErrorCode.ProtocolError);

  const [builder, caller] = [await nats.builder(randomUUID()), await nats.build(randomUUID(), "caller")];
  const guests = [await nats.user("bob"), builder, caller];
  // The server sends the limits of the credential only after the connection is made.
  await Promise.all(guests.map(({ connection }) => connection.flush()));
  const limits = guests.map(({ connection }) => connection.info?.max_payload);
  assert.equal(limits, [MESSAGE_MAX_BYTES, 64 * 1024, 2 * 1024 * 1024]);
});

test("a client refuses a certificate of another name or another authority", async () => {
  const auth = { authenticator: authenticator(userJwt(about, rights, signingKey, guest), key), reconnect: false };
  const tries = [
    { tls: { caFile: files.caFile, servername: "other.test" } },
    { tls: { servername: serverName } },
    { tls: { caFile: files.caFile } },
  ];
  for (const { tls } of tries) {
    const failed = await connect({ servers: nats.url, tls, ...auth }).then(
      () => "accepted",
      (error: { code: string; chainedError?: { code?: string } }) => error.chainedError?.code ?? error.code,
    );
    assert.match(failed, /ERR_TLS_CERT_ALTNAME_INVALID|SELF_SIGNED|UNABLE_TO/);
  }
});

test.run();
