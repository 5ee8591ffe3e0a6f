import { suite } from "uvu";
import * as assert from "uvu/assert";
import { usersText } from "../../../../lib/cli/admin/users-text.ts";

const test = suite("users text");

const createdAtMs = Date.UTC(2026, 10, 23, 22, 59, 12, 979);

test("usersText() shows each user in columns, active, half revoked and revoked", () => {
  const revokedAtMs = createdAtMs + 60_000;
  const users = [
    { name: "a", publicKey: "UA", createdAtMs, renewedAtMs: revokedAtMs },
    { name: "margaret", publicKey: "UB", createdAtMs, revokedAtMs },
    { name: "c", publicKey: "UC", createdAtMs, revokedAtMs, natsRevokedAtMs: revokedAtMs },
  ];
  assert.is(
    usersText({ v: 1, users }),
    `NAME      STATE         CREATED               ISSUED                REVOKED               KEY
a         active        2026-11-23T22:59:12Z  2026-11-23T23:00:12Z  -                     UA
margaret  half-revoked  2026-11-23T22:59:12Z  2026-11-23T22:59:12Z  2026-11-23T23:00:12Z  UB
c         revoked       2026-11-23T22:59:12Z  2026-11-23T22:59:12Z  2026-11-23T23:00:12Z  UC
`,
  );
});

test("usersText() states that there are no users", () => {
  assert.is(usersText({ v: 1, users: [] }), "no users have been added\n");
});

test.run();
