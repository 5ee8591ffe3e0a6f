/** A server as nova lists it, and the machine that we take it for. Pure. */
import * as v from "valibot";
import type { Machine, MachineStatus } from "../../provider.ts";
import { identityIn } from "../marks.ts";

const TASK = "OS-EXT-STS:task_state";

/**
 * What is read of it. A server in a cell that does not answer has an id and the status UNKNOWN and little else
 * (microversion 2.69 and newer, "Handling Down Cells"), so the rest may be missing.
 */
export const serverSchema = v.object({
  id: v.string(),
  status: v.string(),
  name: v.optional(v.string(), ""),
  created: v.optional(v.string(), ""),
  metadata: v.optional(v.record(v.string(), v.string()), {}),
  tags: v.optional(v.array(v.string()), []),
  fault: v.optional(v.object({ message: v.optional(v.string(), "") })),
  [TASK]: v.nullish(v.string()),
});
export type Server = v.InferOutput<typeof serverSchema>;

/** A server of ours. */
export interface OwnServer {
  readonly id: string;
  readonly machine: Machine;
  /** Deleted, and kept by the cloud for a while; it takes its part of the quota until it is deleted for good. */
  readonly softDeleted: boolean;
}

/** Undefined for what is not ours. */
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

export const isSoftDeleted = ({ status }: Server): boolean => status === "SOFT_DELETED";

export const isUnknown = ({ status }: Server): boolean => status === "UNKNOWN";

/** While it goes its status stays what it was; only the task tells. */
const GOING = new Set(["deleting", "soft-deleting", "force_deleting"]);

/** nova's status for a server that is up, or will be again in a moment (api-ref, "Server status"). */
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

/** Of what somebody has switched off or put away nothing comes any more: a builder is never started a second time. */
function stateOf(server: Server): { status: MachineStatus; fault?: string } {
  const task = server[TASK] ?? "";
  if (GOING.has(task)) return { status: "destroying" };
  const status = STATUS[server.status];
  if (status === "error") return { status, fault: faultOf(server) };
  if (status !== undefined) return { status };
  const off =
    server.status === "SHUTOFF"
      ? "it has switched itself off, or was switched off"
      : `nova shows it as ${server.status}`;
  return { status: "error", fault: off };
}

function faultOf({ fault }: Server): string {
  const words = fault?.message.replace(/[\p{Cc}\s]+/gu, " ").trim() ?? "";
  return words === "" ? "ERROR, and nova does not say why" : words.slice(0, 300);
}
