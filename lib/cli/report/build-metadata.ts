/** The JSON that describes how a build ended (docs/json.md). Types alone. */
import type { ErrorKind } from "../../core/exit-codes.ts";
import type { FinalState } from "../../protocol/build-messages.ts";
import type { FailureCause } from "../../recipe/failure-cause.ts";

/** The image at its place. */
export interface StoredImage {
  /** Absolute; "-" for standard output. */
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal, as sha256sum prints it. */
  readonly sha256: string;
}

export interface BuildTimes {
  /** From the first state of the build to the lease of its last builder. */
  readonly waitedMs?: number;
  /** From that lease to the announcement of the image, or to the end. */
  readonly builtMs?: number;
  /** From the announcement of the image until it was at its place. */
  readonly transferredMs?: number;
}

export interface BuildMetadata {
  readonly v: 1;
  /** Of the build. `refused`: there was none. `detached`: it goes on. `unknown`: this program does not know how it ended. */
  readonly outcome: Outcome;
  /** The exit code of the program. */
  readonly exitCode: number;
  readonly build?: string;
  /** Present when the build is an earlier one: its state when this call was given it, and the time since it entered that state. */
  readonly same?: { readonly state: "waiting" | "leased" | "succeeded"; readonly ageMs: number };
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly builder?: { readonly id: string; readonly host: string; readonly attempt: number };
  readonly times: BuildTimes;
  readonly image?: StoredImage;
  readonly error?: {
    readonly kind: ErrorKind;
    readonly message: string;
    readonly hint?: string;
    readonly cause?: FailureCause;
  };
}

export type Outcome = FinalState["state"] | "refused" | "detached" | "unknown";
