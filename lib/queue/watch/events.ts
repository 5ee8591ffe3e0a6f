/** The events of the queue that are counted. Each method must return at once and must not throw. */
import type { CbError } from "../../core/errors.ts";
import type { BuildRecord } from "../builds/record.ts";

/** The parts of a build that JetStream stores. */
export type StoredKind = "context" | "image" | "log";

export interface QueueEvents {
  /** The record was written; `before` is absent for a new build. */
  readonly buildChanged: (record: BuildRecord, before?: BuildRecord) => void;
  readonly bytesStored: (kind: StoredKind, bytes: number) => void;
  /** A request arrived that the queue serves. */
  readonly requested: (name: string) => void;
  /** `isExcess`: the principal sent too many at once. */
  readonly refused: (subject: string, error: CbError, isExcess: boolean) => void;
}
