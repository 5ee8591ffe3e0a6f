/** The output of `cb-admin user list`: a table with one line for each user. */
import type { UserEntry, UsersReply } from "../../protocol/admin-messages.ts";

const HEAD = ["NAME", "STATE", "CREATED", "ISSUED", "REVOKED", "KEY"];

/** Ends with a line break. */
export function usersText({ users }: UsersReply): string {
  if (users.length === 0) return "no users have been added\n";
  const rows = [HEAD, ...users.map(row)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ");
  return rows.map((cells) => `${line(cells).trimEnd()}\n`).join("");
}

function row(user: UserEntry): string[] {
  const { name, publicKey, createdAtMs, renewedAtMs = createdAtMs, revokedAtMs, natsRevokedAtMs } = user;
  const state = revokedAtMs === undefined ? "active" : natsRevokedAtMs === undefined ? "half-revoked" : "revoked";
  const revoked = revokedAtMs === undefined ? "-" : utc(revokedAtMs);
  return [name, state, utc(createdAtMs), utc(renewedAtMs), revoked, publicKey];
}

/** UTC, to the second. */
const utc = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
