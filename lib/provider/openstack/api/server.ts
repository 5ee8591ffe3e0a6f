/** A server as nova lists it: the fields that are read, and the statuses that need care. */
import * as v from "valibot";

export const TASK_STATE = "OS-EXT-STS:task_state";
/** The time of the server's first start; null for a server that has never run. */
export const LAUNCHED_AT = "OS-SRV-USG:launched_at";

/**
 * For a server in a cell that is down, nova sends an id, the status UNKNOWN and little else (microversion 2.69 and newer,
 * "Handling Down Cells"). So all other fields may be missing.
 */
export const serverSchema = v.object({
  id: v.string(),
  status: v.string(),
  name: v.optional(v.string(), ""),
  created: v.optional(v.string(), ""),
  metadata: v.optional(v.record(v.string(), v.string()), {}),
  tags: v.optional(v.array(v.string()), []),
  fault: v.optional(v.object({ message: v.optional(v.string(), "") })),
  [TASK_STATE]: v.nullish(v.string()),
  [LAUNCHED_AT]: v.nullish(v.string()),
  /** An empty text for a server that starts from a volume. */
  image: v.optional(v.union([v.object({ id: v.string() }), v.literal("")]), ""),
});
export type Server = v.InferOutput<typeof serverSchema>;

/** Deleted, but kept by nova for its `reclaim_instance_interval`. It uses quota until it is deleted permanently. */
export const isSoftDeleted = ({ status }: Server): boolean => status === "SOFT_DELETED";

/** Its cell is down, so nova cannot tell whether it exists. */
export const isUnknown = ({ status }: Server): boolean => status === "UNKNOWN";
