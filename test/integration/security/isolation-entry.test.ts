/** Who gets in, and how much of the server one credential can take. */

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
import { startBus } from "../../support/nats/nats.ts";

const entry = suite("isolation: who gets in");

const bus = await startBus();
const { guest, files, serverName } = bus.installation;
const signingKey = await readKeyFile(files.guestSigningSeed);
entry.after(() => bus.stop());

const key = createKey("user");
const about = { name: "alice", publicKey: key.publicKey, issuedAtMs: Date.now() };
const rights = userPermissions("alice", key.publicKey);

/** The server's word for why it did not let somebody in. */
async function refusal(jwt: string, holder: NKey): Promise<string> {
  return bus.connect(jwt, holder).then(
    () => "let in",
    (error: { code: string }) => error.code,
  );
}

entry("a JWT signed by the account's signing key lets its holder in, also without an end", async () => {
  assert.is(await refusal(userJwt(about, rights, signingKey, guest), key), "let in");
});

entry("a JWT is refused when it has expired, or speaks of another key", async () => {
  const expired = userJwt({ ...about, expiresAtMs: Date.now() - 1000 }, rights, signingKey, guest);
  assert.is(await refusal(expired, key), ErrorCode.AuthorizationViolation);
  const others = userJwt(about, rights, signingKey, guest);
  assert.is(await refusal(others, createKey("user")), ErrorCode.AuthorizationViolation);
});

entry("a JWT is refused when its signer is another installation, a user, or the account of another", async () => {
  const other = await startBus();
  try {
    const { creds } = other.issuer.userCreds("alice");
    const foreign = parseCreds(creds, "the other installation");
    assert.is(await refusal(foreign.jwt, foreign.key), ErrorCode.AuthorizationViolation);
    const foreignSigner = await readKeyFile(other.installation.files.guestSigningSeed);
    const forged = userJwt(about, rights, foreignSigner, guest);
    assert.is(await refusal(forged, key), ErrorCode.AuthorizationViolation);
  } finally {
    await other.stop();
  }
  assert.is(await refusal(userJwt(about, rights, key, guest), key), ErrorCode.AuthorizationViolation);
  const inCore = userJwt(about, rights, signingKey, bus.installation.core);
  assert.is(await refusal(inCore, key), ErrorCode.AuthorizationViolation);
});

entry("a JWT whose text was changed after signing is refused", async () => {
  const [header = "", claims = "", signature = ""] = userJwt(about, rights, signingKey, guest).split(".");
  const wider = JSON.parse(Buffer.from(claims, "base64url").toString());
  wider.nats.pub.allow = [">"];
  const forged = `${header}.${Buffer.from(JSON.stringify(wider)).toString("base64url")}.${signature}`;
  assert.is(await refusal(forged, key), ErrorCode.AuthorizationViolation);
});

entry("a connection ends when its JWT does", async () => {
  const brief = userJwt({ ...about, expiresAtMs: Date.now() + 2000 }, rights, signingKey, guest);
  const { connection } = await bus.connect(brief, key, { reconnect: false });
  const closed = await connection.closed();
  assert.is((closed as { code?: string } | undefined)?.code, ErrorCode.AuthenticationExpired);
});

entry("a JWT without permissions may do nothing, since the account's default is nothing", async () => {
  const bare = userJwt(about, {}, signingKey, guest);
  const { connection } = await bus.connect(bare, key);
  let refused = "";
  const ear = connection.subscribe(">", {
    callback: (error) => {
      refused = error?.code ?? "";
    },
  });
  ear.closed.catch(() => undefined);
  await connection.flush();
  assert.is(refused, ErrorCode.PermissionsViolation);
  const asked: string[] = [];
  const core = await bus.core();
  core.subscribe("queue.>", { callback: (_, message) => void asked.push(message.subject) });
  await core.flush();
  connection.publish(subjects.queue("cancel", "alice"), "");
  await connection.flush();
  await core.flush();
  assert.equal(asked, []);
});

entry(
  "the ninth subscription of a user's credential is refused, and the limits of payload are the role's",
  async () => {
    const user = await bus.user("bob");
    const refused = (async () => {
      // To nats.js the server's "maximum subscriptions exceeded" is a protocol error.
      for await (const status of user.connection.status()) if (status.type === Events.Error) return String(status.data);
      return "not refused";
    })();
    for (let at = 0; at < 8; at++) user.connection.subscribe(`${user.inboxPrefix}.${at}`);
    await user.connection.flush();
    user.connection.subscribe(`${user.inboxPrefix}.8`);
    await user.connection.flush();
    await user.connection.close();
    assert.is(await refused, ErrorCode.ProtocolError);

    const [builder, caller] = [await bus.builder(randomUUID()), await bus.build(randomUUID(), "caller")];
    const guests = [await bus.user("bob"), builder, caller];
    // The server tells a credential's own limits only after the connection is made.
    await Promise.all(guests.map(({ connection }) => connection.flush()));
    const limits = guests.map(({ connection }) => connection.info?.max_payload);
    assert.equal(limits, [MESSAGE_MAX_BYTES, 64 * 1024, 2 * 1024 * 1024]);
  },
);

entry("TLS: a client is not fooled by another name or another authority, and the server wants TLS", async () => {
  const auth = { authenticator: authenticator(userJwt(about, rights, signingKey, guest), key), reconnect: false };
  const tries = [
    { tls: { caFile: files.caFile, servername: "other.test" } },
    { tls: { servername: serverName } },
    { tls: { caFile: files.caFile } },
  ];
  for (const { tls } of tries) {
    const failed = await connect({ servers: bus.url, tls, ...auth }).then(
      () => "let in",
      (error: { code: string; chainedError?: { code?: string } }) => error.chainedError?.code ?? error.code,
    );
    assert.match(failed, /ERR_TLS_CERT_ALTNAME_INVALID|SELF_SIGNED|UNABLE_TO/);
  }
});

entry.run();
