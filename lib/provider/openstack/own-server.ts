/** Maps a server of nova to a machine of this installation. Pure. */
import type { Machine, MachineStatus } from "../provider.ts";
import { isSoftDeleted, type Server, TASK_STATE } from "./api/server.ts";
import { identityIn } from "./identity-tags.ts";

/** A server that this installation has created. */
export interface OwnServer {
  readonly id: string;
  readonly machine: Machine;
  readonly softDeleted: boolean;
}

/** Undefined for a server of another installation, and for one without a complete identity. */
export function ownServer(server: Server, installation: string): OwnServer | undefined {
  const identity = identityIn(server.metadata, server.tags);
  if (identity?.installation !== installation) return undefined;
  const { status, fault } = stateOf(server);
  const machine: Machine = {
    ...identity,
    status,
    host: server.name,
    createdAtMs: Date.parse(server.created) || 0,
    ...(fault === undefined ? {} : { fault }),
  };
  return { id: server.id, machine, softDeleted: isSoftDeleted(server) };
}

/** During a deletion nova leaves the status unchanged; only the task state shows it. */
const DELETING = new Set(["deleting", "soft-deleting", "force_deleting"]);

/** nova's statuses of a server that runs, or will run again by itself (api-ref, "Server status"). */
const STATUS: Readonly<Record<string, MachineStatus>> = {
  BUILD: "booting",
  REBUILD: "booting",
  ACTIVE: "running",
  REBOOT: "running",
  HARD_REBOOT: "running",
  MIGRATING: "running",
  PASSWORD: "running",
  RESIZE: "running",
  REVERT_RESIZE: "running",
  VERIFY_RESIZE: "running",
  DELETED: "destroying",
  SOFT_DELETED: "destroying",
  ERROR: "error",
};

/** Every other status, such as SHUTOFF or SHELVED, is an error: a builder is never started a second time. */
function stateOf(server: Server): { status: MachineStatus; fault?: string } {
  const task = server[TASK_STATE] ?? "";
  if (DELETING.has(task)) return { status: "destroying" };
  const status = STATUS[server.status];
  if (status === "error") return { status, fault: faultOf(server) };
  if (status !== undefined) return { status };
  const fault =
    server.status === "SHUTOFF"
      ? "the machine has shut down by itself, or was shut down"
      : `nova lists the machine as ${server.status}`;
  return { status: "error", fault };
}

function faultOf({ fault }: Server): string {
  const message = fault?.message.replace(/[\p{Cc}\s]+/gu, " ").trim() ?? "";
  return message === "" ? "ERROR, and nova gives no reason" : message.slice(0, 300);
}
