/** `cb-admin user list`: one line a user, in columns. */
import type { UserEntry, UsersReply } from "../../protocol/admin-messages.ts";

const HEAD = ["NAME", "STATE", "CREATED", "REVOKED", "KEY"];

/** Ends with a line break; says so in words when there are none. */
export function usersText({ users }: UsersReply): string {
  if (users.length === 0) return "no users have been added\n";
  const rows = [HEAD, ...users.map(row)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ");
  return rows.map((cells) => `${line(cells).trimEnd()}\n`).join("");
}

function row({ name, publicKey, createdAtMs, revokedAtMs, natsRevokedAtMs }: UserEntry): string[] {
  const state = revokedAtMs === undefined ? "active" : natsRevokedAtMs === undefined ? "half-revoked" : "revoked";
  return [name, state, when(createdAtMs), revokedAtMs === undefined ? "-" : when(revokedAtMs), publicKey];
}

/** UTC, to the second. */
const when = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
