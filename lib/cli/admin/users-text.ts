/** The output of `cb-admin user list`: a table with one line for each user. */
import type { UserEntry, UsersReply } from "../../protocol/admin-messages.ts";
import { tableText } from "../text/table.ts";

const HEAD = ["NAME", "STATE", "CREATED", "ISSUED", "REVOKED", "KEY"];

/** Ends with a line break. */
export function usersText({ users }: UsersReply): string {
  if (users.length === 0) return "no users have been added\n";
  return tableText([HEAD, ...users.map(row)]);
}

function row(user: UserEntry): string[] {
  const { name, publicKey, createdAtMs, renewedAtMs = createdAtMs, revokedAtMs, natsRevokedAtMs } = user;
  const state = revokedAtMs === undefined ? "active" : natsRevokedAtMs === undefined ? "half-revoked" : "revoked";
  const revoked = revokedAtMs === undefined ? "-" : utc(revokedAtMs);
  return [name, state, utc(createdAtMs), utc(renewedAtMs), revoked, publicKey];
}

/** UTC, to the second. */
const utc = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
