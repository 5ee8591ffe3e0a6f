/** Whether a new build is accepted, decided from the storage of NATS before anything is stored or uploaded. */
import { CbError } from "../../core/errors.ts";
import { type StorageFigures, storageText } from "../../protocol/storage-figures.ts";
import { attemptBytes } from "../builds/streams.ts";

export interface AdmissionInput {
  /** Undefined when NATS does not report it: then the build is accepted, and each stream is refused when it does not fit. */
  readonly figures: StorageFigures | undefined;
  /** An upper bound of the upload; 0 without one. */
  readonly contextBytes: number;
  readonly logBytes: number;
  /** Builds that run. Each returns the space of its log when it ends, so a new build can wait for that. */
  readonly running: number;
}

/** Throws CbError "infrastructure", with the figures, when the build has no space and no running build will make space for its log. */
export function admit({ figures, contextBytes, logBytes, running }: AdmissionInput): void {
  if (figures === undefined) return;
  const neededBytes = contextBytes + (running > 0 ? 0 : attemptBytes(logBytes));
  if (neededBytes <= figures.freeBytes) return;
  const needed = `${Math.ceil(neededBytes / 2 ** 20)} MiB`;
  throw new CbError("infrastructure", `no storage for this build; storage: ${storageText(figures)}, ${needed} needed`, {
    hint: "try again when other builds have ended; an operator can raise max_file of nats-server, or delete streams (cb-admin streams)",
  });
}
