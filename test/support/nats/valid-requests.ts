/** A valid request of each verb. */
import { randomUUID } from "node:crypto";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import type { ADMIN_VERBS, QUEUE_VERBS } from "../../../lib/protocol/subjects.ts";

const [id, publicKey] = [randomUUID(), createKey("user").publicKey];
const recipe = { backend: "docker", text: "FROM scratch" };
const terminal = { columns: 80, rows: 24 };

/** A valid request for each verb, with the required fields only. */
export const VALID_REQUESTS: Record<
  (typeof QUEUE_VERBS)[number] | (typeof ADMIN_VERBS)[number],
  Record<string, unknown>
> = {
  reserve: { v: 1, request: id, publicKey, recipe },
  sent: { v: 1, build: id },
  resize: { v: 1, build: id, terminal },
  cancel: { v: 1, target: { kind: "build", id } },
  received: { v: 1, build: id },
  attach: { v: 1, build: id, publicKey },
  builds: { v: 1 },
  status: { v: 1 },
  images: { v: 1 },
  "add-user": { v: 1, name: "eve", publicKey },
  "revoke-user": { v: 1, name: "eve" },
  users: { v: 1 },
  builders: { v: 1, consoleLines: 10 },
  destroy: { v: 1, builder: id },
  "list-builds": { v: 1, last: 10 },
  "cancel-build": { v: 1, build: id },
  "drain-pool": { v: 1, pool: "q" },
  "undrain-pool": { v: 1, pool: "q" },
  "hold-builder": { v: 1, builder: id, forMs: 1000 },
  "release-builder": { v: 1, builder: id },
  usage: { v: 1 },
  plan: { v: 1 },
  streams: { v: 1 },
  "delete-streams": { v: 1, builds: [id] },
};
