/** The pages of the queue's HTTP server. */
import { STATUS_PAGE, STATUS_PAGE_POLICY } from "./page.ts";
import type { HttpReply, Routes } from "./server.ts";
import type { StatusData } from "./status-data.ts";

/** The source of the pages' content. */
export interface PageSource {
  metricsText(): string;
  statusData(): StatusData;
  /** Why the queue takes no builds; empty when it does. */
  notReady(): readonly string[];
}

export function watchRoutes(source: PageSource): Routes {
  return {
    "/": () => ({
      type: "text/html; charset=utf-8",
      body: STATUS_PAGE,
      headers: { "content-security-policy": STATUS_PAGE_POLICY },
    }),
    "/status.json": () => json(200, source.statusData()),
    "/metrics": () => ({ type: "text/plain; version=0.0.4; charset=utf-8", body: source.metricsText() }),
    // The reply itself shows that the process lives and that its event loop runs.
    "/healthz": () => json(200, { healthy: true }),
    "/readyz": () => {
      const reasons = source.notReady();
      return json(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
    },
  };
}

const json = (status: number, content: object): HttpReply => ({
  status,
  type: "application/json; charset=utf-8",
  body: `${JSON.stringify(content)}\n`,
});
