/** One line of `container-builder doctor`. */
import { CbError, messageOf } from "../../core/errors.ts";
import type { ErrorKind } from "../../core/exit-codes.ts";

export interface Check {
  readonly name: string;
  /** `skipped`: an earlier check failed, without which this one says nothing. */
  readonly state: "ok" | "warn" | "fail" | "skipped";
  readonly text: string;
  /** Of `warn` and `fail`: a command or a sentence. */
  readonly remedy?: string;
  /** Of `fail`. The first one decides the exit code. */
  readonly kind?: ErrorKind;
}

export const ok = (name: string, text: string): Check => ({ name, state: "ok", text });
export const warning = (name: string, text: string, remedy: string): Check => ({ name, state: "warn", text, remedy });
export const skipped = (name: string): Check => ({ name, state: "skipped", text: "not tried" });

export interface Failure {
  readonly text: string;
  readonly remedy: string;
  readonly kind: ErrorKind;
}
export const failure = (name: string, { text, remedy, kind }: Failure): Check => ({
  name,
  state: "fail",
  text,
  remedy,
  kind,
});

/** The failure of an expected error; another one is a bug, and is thrown. `remedy` is for an error without a hint. */
export function failed(name: string, error: unknown, remedy: string): Check {
  if (!(error instanceof CbError)) throw error;
  return failure(name, { text: messageOf(error), remedy: error.hint ?? remedy, kind: error.kind });
}

export const hasFailed = (checks: readonly Check[]): boolean => checks.some(({ state }) => state === "fail");

const SHOWN = { ok: "ok", warn: "warn", fail: "FAIL", skipped: "-" } as const;
/** The longest name is `permissions`. */
const NAME_COLUMNS = 11;

/** Ends with a line break. */
export function checkLine({ name, state, text, remedy }: Check): string {
  const indent = " ".repeat(NAME_COLUMNS + 8);
  const further = remedy === undefined ? "" : `${indent}${remedy.replaceAll("\n", `\n${indent}`)}\n`;
  return `${SHOWN[state].padEnd(4)}  ${name.padEnd(NAME_COLUMNS)}  ${text.replaceAll("\n", `\n${indent}`)}\n${further}`;
}
