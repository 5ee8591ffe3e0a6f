import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { GUEST_SERVICES } from "../../../lib/nats/credentials/accounts.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import {
  builderPermissions,
  buildPermissions,
  operatorPermissions,
  type Rights,
  userPermissions,
} from "../../../lib/protocol/permissions.ts";
import { GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";

const test = suite("permissions");

const ID = "e6a0cd58-255c-4f17-b0df-51c5b0120d07";
const { publicKey } = createKey("user");
const guests: Record<string, Rights> = {
  user: userPermissions("alice", publicKey),
  builder: builderPermissions(ID, publicKey),
  caller: buildPermissions("caller", { build: ID }, publicKey),
  agent: buildPermissions("agent", { build: ID }, publicKey),
};

/** Whether NATS would deliver `subject` to a subscription on `pattern`; both may have wildcards. */
function covers(pattern: string, subject: string): boolean {
  const [wide, exact] = [pattern.split("."), subject.split(".")];
  return (
    wide.every((token, at) => {
      if (token === ">") return at < exact.length;
      if (at >= exact.length) return false;
      return token === exact[at] || (token === "*" && exact[at] !== ">");
    }) &&
    (wide.at(-1) === ">" || wide.length === exact.length)
  );
}

test("each guest may subscribe to its own inbox alone, and has limits", () => {
  for (const rights of Object.values(guests)) {
    assert.equal(rights.sub, { allow: [`_INBOX.${publicKey}.>`] });
    assert.ok((rights.subs ?? 0) > 0 && (rights.payload ?? 0) > 0);
    assert.equal(rights.allowed_connection_types, ["STANDARD"]);
  }
});

test("each subject that a guest may publish on names its user, builder or build", () => {
  const owner = { user: ".alice", builder: `.${ID}.`, caller: ID, agent: ID };
  for (const [role, rights] of Object.entries(guests)) {
    const allowed = rights.pub?.allow ?? [];
    assert.ok(allowed.length > 0, "an empty list would allow everything");
    for (const subject of allowed) assert.ok(subject.includes(owner[role as keyof typeof owner]), subject);
  }
});

test("an agent may read the tree of its lease, and write nothing into it", () => {
  const tree = randomUUID();
  const plain = buildPermissions("agent", { build: ID }, publicKey).pub?.allow ?? [];
  const allowed = buildPermissions("agent", { build: ID, tree }, publicKey).pub?.allow ?? [];
  const added = allowed.filter((subject) => !plain.includes(subject));
  const calls = ["STREAM.MSG.GET", "STREAM.INFO", "CONSUMER.CREATE", "CONSUMER.MSG.NEXT", "CONSUMER.DELETE"];
  assert.equal(
    added.map((subject) => subject.split(`.OBJ_build-${tree}`)[0]),
    calls.map((call) => `${GUEST_API_PREFIX}.${call}`),
  );
  assert.throws(() => buildPermissions("agent", { build: ID, tree: ">" }, publicKey), /not an id/);
});

test("GUEST imports each subject that a guest may publish on, and no other", () => {
  const imported = GUEST_SERVICES.map((service) => service.local ?? service.subject);
  const allowed = Object.values(guests).flatMap((rights) => rights.pub?.allow ?? []);
  for (const subject of allowed)
    assert.ok(
      imported.some((service) => covers(service, subject.replace("C.>", "C.x"))),
      subject,
    );
  for (const service of imported)
    assert.ok(
      allowed.some((subject) => covers(service, subject.replace("C.>", "C.x"))),
      service,
    );
});

test("no credential may use DIRECT.GET, and no guest $JS.API, $SRV, $SYS or $KV", () => {
  const all = { ...guests, operator: operatorPermissions("boss", publicKey) };
  for (const rights of Object.values(all)) assert.not.match((rights.pub?.allow ?? []).join(" "), "DIRECT");
  for (const rights of Object.values(guests))
    assert.not.match((rights.pub?.allow ?? []).join(" "), /\$(JS|SRV|SYS|KV)\b/);
  assert.not.match(GUEST_SERVICES.map((service) => service.subject).join(" "), /DIRECT|\$JS\.API\.CONSUMER\.CREATE/);
});

test("an operator may not receive users' requests, nor publish to a stream", () => {
  const { pub, sub } = operatorPermissions("boss", publicKey);
  assert.not((sub?.allow ?? []).some((subject) => covers(subject, "queue.reserve.alice")));
  for (const subject of [`build.${ID}.log`, `$O.build-${ID}.C.x`, "$KV.builds.x", "$JS.API.STREAM.DELETE.x"]) {
    assert.not(
      (pub?.allow ?? []).some((pattern) => covers(pattern, subject)),
      subject,
    );
  }
});

test("permissions of an invalid id, user name or public key are refused", () => {
  const bad: (() => unknown)[] = [
    ...["", "*", ">", "a.b", "a b", "A", "a\r\nPUB x 0", "-a", "x".repeat(65)].map(
      (name) => () => userPermissions(name, publicKey),
    ),
    ...["", "*", `${ID}.x`, ID.toUpperCase(), `${ID}\r\n`].map((id) => () => builderPermissions(id, publicKey)),
    () => buildPermissions("agent", { build: ">" }, publicKey),
    () => buildPermissions("caller", { build: ID }, ">"),
    () => buildPermissions("caller", { build: ID }, createKey("account").publicKey),
  ];
  for (const make of bad) assert.throws(make, (error: unknown) => error instanceof CbError && error.kind === "usage");
});

test.run();
