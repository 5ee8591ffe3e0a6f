/** Sends the size of the caller's terminal to the build when it changes. */
import type { ResizeRequest } from "../../protocol/build-messages.ts";
import { resize } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";

/** Resizing a window with the mouse changes the size a hundred times a second, and only the last size matters. */
const SETTLED_MS = 200;

/** The part of process.stdout that is used here. */
export interface TerminalWindow {
  readonly columns?: number;
  readonly rows?: number;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** Sends changes until the returned function is called. Replies are not awaited: a lost one only affects the layout of the output. */
export function watchTerminalSize(window: TerminalWindow, session: Session, build: string): () => void {
  let timer: NodeJS.Timeout | undefined;
  const send = () => {
    const terminal: ResizeRequest["terminal"] = { columns: window.columns ?? 0, rows: window.rows ?? 0 };
    if (terminal.columns > 0 && terminal.rows > 0) session.publish(resize, { v: 1, build, terminal });
  };
  const onResize = () => {
    clearTimeout(timer);
    timer = setTimeout(send, SETTLED_MS);
  };
  window.on("resize", onResize);
  return () => {
    clearTimeout(timer);
    window.off("resize", onResize);
  };
}
