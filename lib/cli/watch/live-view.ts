/** Shows a table again and again until Ctrl-C: on the second screen of a terminal, as watch(1) does, or as JSON, one line for each change. */
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import { interruptSignal } from "../interrupt.ts";
import { isDumbTerminal, printText } from "../standard-output.ts";
import { cutToColumns } from "../text/width.ts";

/** Builders boot for seconds and builds take minutes; two requests in two seconds are far below a user's rate limit. */
const INTERVAL_MS = 2_000;

const OPEN = "\u001b[?1049h\u001b[?25l";
const CLOSE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export interface LiveView<Reply> {
  /** Gets the current state. A failure that may pass is shown below the last table. */
  readonly load: () => Promise<Reply>;
  readonly text: (reply: Reply, columns: number) => string;
  readonly json: boolean;
}

/** Resolves after Ctrl-C. Throws CbError "usage" without a terminal, and an error of `load` that repeating cannot mend. */
export async function watchLive<Reply>({ load, text, json }: LiveView<Reply>): Promise<void> {
  if (!json && (!process.stdout.isTTY || isDumbTerminal())) {
    throw new CbError("usage", "--watch needs a terminal", { hint: "add --json, which prints each change as a line" });
  }
  const interrupted = interruptSignal();
  const show = json ? jsonLines() : (reply: Reply | undefined, fault: string) => draw(reply, fault, text);
  if (!json) printText(OPEN);
  let reply: Reply | undefined;
  try {
    while (!interrupted.aborted) {
      let fault = "";
      try {
        reply = await load();
      } catch (error) {
        // The first failure may be a wrong setting.
        if (reply === undefined || !mayPass(error)) throw error;
        fault = error.message;
      }
      show(reply, fault);
      await systemClock.sleep(INTERVAL_MS, interrupted);
    }
  } finally {
    if (!json) printText(CLOSE);
  }
  // The last table stays on the first screen.
  if (!json && reply !== undefined) printText(text(reply, process.stdout.columns));
}

const mayPass = (error: unknown): error is CbError =>
  error instanceof CbError && (error.kind === "unreachable" || error.kind === "infrastructure");

function draw<Reply>(reply: Reply | undefined, fault: string, text: LiveView<Reply>["text"]): void {
  const { columns, rows } = process.stdout;
  const lines = reply === undefined ? [] : text(reply, columns).trimEnd().split("\n");
  printText(
    HOME +
      screen({ lines, fault, columns, rows })
        .map((line) => `${line}${CLEAR_LINE}`)
        .join("\n") +
      CLEAR_BELOW,
  );
}

interface Screen {
  readonly lines: readonly string[];
  /** Why the table is not current; empty if it is. */
  readonly fault: string;
  readonly columns: number;
  readonly rows: number;
}

/** The lines that fit, with the number of the others, and a last line for the fault or for how to end. Exported for its test. */
export function screen({ lines, fault, columns, rows }: Screen): string[] {
  const space = Math.max(1, rows - 2);
  const shown =
    lines.length <= space ? lines : [...lines.slice(0, space - 1), `… ${lines.length - space + 1} more lines`];
  const foot = fault === "" ? "Ctrl-C ends this" : `not current: ${fault}`;
  return [...shown, "", foot].slice(-rows).map((line) => cutToColumns(line, columns));
}

/** A reply has the queue's clock in `nowMs`, which alone is no change. */
function jsonLines(): (reply: unknown) => void {
  let printed = "";
  return (reply) => {
    const compared = JSON.stringify(reply, (key, value: unknown) => (key === "nowMs" ? undefined : value));
    if (compared === printed) return;
    printed = compared;
    printText(`${JSON.stringify(reply)}\n`);
  };
}
