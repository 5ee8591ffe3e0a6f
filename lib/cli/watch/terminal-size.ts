/** The size of the caller's terminal, told to the build when it changes. */
import type { ResizeRequest } from "../../protocol/build-messages.ts";
import { resize } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";

/** A window that is drawn larger by hand changes a hundred times a second, and only where it ends counts. */
const SETTLED_MS = 200;

/** What of process.stdout it needs. */
export interface Window {
  readonly columns?: number;
  readonly rows?: number;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** Tells until the function it returns is called. Nobody waits for the queue's answer: it is only about looks. */
export function watchWindow(window: Window, session: Session, build: string): () => void {
  let timer: NodeJS.Timeout | undefined;
  const told = () => {
    const terminal: ResizeRequest["terminal"] = { columns: window.columns ?? 0, rows: window.rows ?? 0 };
    if (terminal.columns > 0 && terminal.rows > 0) session.tell(resize, { v: 1, build, terminal });
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(told, SETTLED_MS);
  };
  window.on("resize", changed);
  return () => {
    clearTimeout(timer);
    window.off("resize", changed);
  };
}
